package scenario

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"penstock/ops/local/child"
)

// startIngest starts the node and waits until it says it is ready.
func (s *session) startIngest(ctx context.Context) error {
	p, err := child.Start(child.Spec{
		Name: "ingest",
		Args: []string{s.program("ingest"), "run", "--config", s.files.ingest},
		Log:  s.log("ingest"),
		// Its own deadline for an orderly stop is 20 s.
		StopTimeout: 25 * time.Second,
	})
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, time.Minute, errors.New("ingest was not ready within a minute"))
	defer cancel()
	if err := p.Await(ctx, func(ctx context.Context) error {
		_, err := s.admin(ctx, "/readyz")
		return err
	}); err != nil {
		return errors.Join(err, p.Kill())
	}
	s.ingest = p
	return nil
}

// admin gets a page of ingest's admin address.
func (s *session) admin(ctx context.Context, page string) (_ string, err error) {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+s.files.admin.Ingest+page, nil)
	if err != nil {
		return "", err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, response.Body.Close()) }()
	text, err := io.ReadAll(io.LimitReader(response.Body, 16<<20))
	if err != nil {
		return "", err
	}
	if response.StatusCode != http.StatusOK {
		return "", fmt.Errorf("GET %s: %s: %s", request.URL, response.Status, strings.TrimSpace(string(text)))
	}
	return string(text), nil
}

// metric reads one metric of ingest, added up over its labels.
func (s *session) metric(ctx context.Context, name string) (float64, error) {
	page, err := s.admin(ctx, "/metrics")
	if err != nil {
		return 0, err
	}
	return sumMetric(page, name)
}

// sumMetric adds up the samples of one name in Prometheus' text format.
func sumMetric(page, name string) (sum float64, err error) {
	found := false
	lines := bufio.NewScanner(strings.NewReader(page))
	for lines.Scan() {
		rest, ok := strings.CutPrefix(lines.Text(), name)
		if !ok || rest == "" || rest[0] != ' ' && rest[0] != '{' {
			continue
		}
		fields := strings.Fields(rest[strings.LastIndexByte(rest, '}')+1:])
		if len(fields) == 0 {
			return 0, fmt.Errorf("metric %s has no value in %q", name, lines.Text())
		}
		value, err := strconv.ParseFloat(fields[0], 64)
		if err != nil {
			return 0, fmt.Errorf("metric %s: %w", name, err)
		}
		sum += value
		found = true
	}
	if !found {
		return 0, fmt.Errorf("there is no metric %s", name)
	}
	return sum, lines.Err()
}
