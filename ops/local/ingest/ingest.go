// Package ingest runs an ingest node as the process it is in production, and
// watches it through its admin address as any operator could.
package ingest

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

// Spec says how to start a node.
type Spec struct {
	// Name is what errors call it.
	Name string
	// Program is the path of ingest.
	Program string
	// Config is its config file, which has to say that its admin server is at
	// Admin.
	Config string
	// Admin is host:port of the admin server.
	Admin string
	// Log is the file its output is appended to.
	Log string
	// Args are added to its arguments.
	Args []string
	// Env is added to the environment.
	Env []string
}

// Node is a started node.
type Node struct {
	*child.Process
	spec Spec
	// Started is when.
	Started time.Time
}

// Start starts a node; it does not wait until it is ready.
func Start(spec Spec) (*Node, error) {
	n := &Node{spec: spec, Started: time.Now()}
	var err error
	n.Process, err = child.Start(child.Spec{
		Name: spec.Name,
		Args: append([]string{spec.Program, "run", "--config", spec.Config}, spec.Args...),
		Env:  spec.Env,
		Log:  spec.Log,
		// Its own deadline for an orderly stop is 20 s.
		StopTimeout: 25 * time.Second,
	})
	if err != nil {
		return nil, err
	}
	return n, nil
}

// AwaitReady waits until the node says it is ready.
func (n *Node) AwaitReady(ctx context.Context) error {
	ctx, cancel := context.WithTimeoutCause(ctx, time.Minute, fmt.Errorf("%s was not ready within a minute", n.spec.Name))
	defer cancel()
	return n.Await(ctx, func(ctx context.Context) error {
		_, err := n.page(ctx, "/readyz", answers)
		return err
	})
}

// answers is how long a page may take that is there already.
const answers = 2 * time.Second

// page gets a page of the admin address.
func (n *Node) page(ctx context.Context, page string, within time.Duration) (_ string, err error) {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+n.spec.Admin+page, nil)
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

// Goroutines returns what each of the node's goroutines is doing. Its config has
// to allow profiles.
func (n *Node) Goroutines(ctx context.Context) (string, error) {
	return n.page(ctx, "/debug/pprof/goroutine?debug=2", answers)
}

// Profile returns what CPU time goes to from now on, for so many seconds, as
// "go tool pprof" reads it. The node's config has to allow profiles.
func (n *Node) Profile(ctx context.Context, seconds int) ([]byte, error) {
	profile, err := n.page(ctx, fmt.Sprintf("/debug/pprof/profile?seconds=%d", seconds), time.Duration(seconds)*time.Second+30*time.Second)
	return []byte(profile), err
}

// Metrics are the samples of one look at a node, in Prometheus' text format.
type Metrics string

// Metrics looks at the node once.
func (n *Node) Metrics(ctx context.Context) (Metrics, error) {
	page, err := n.page(ctx, "/metrics", answers)
	return Metrics(page), err
}

// Sum adds up the samples of one name over its labels.
func (m Metrics) Sum(name string) (sum float64, err error) {
	found := false
	err = m.each(name, func(_ string, value float64) {
		sum += value
		found = true
	})
	if err == nil && !found {
		err = fmt.Errorf("there is no metric %s", name)
	}
	return sum, err
}

// Partitions returns the samples of one name by their label partition.
func (m Metrics) Partitions(name string) (map[int32]int64, error) {
	out := map[int32]int64{}
	var bad error
	err := m.each(name, func(labels string, value float64) {
		_, rest, _ := strings.Cut(labels, `partition="`)
		number, _, _ := strings.Cut(rest, `"`)
		p, err := strconv.ParseInt(number, 10, 32)
		if err != nil {
			bad = fmt.Errorf("metric %s has no partition in %q: %w", name, labels, err)
		}
		out[int32(p)] = int64(value)
	})
	return out, errors.Join(err, bad)
}

func (m Metrics) each(name string, sample func(labels string, value float64)) error {
	lines := bufio.NewScanner(strings.NewReader(string(m)))
	for lines.Scan() {
		rest, ok := strings.CutPrefix(lines.Text(), name)
		if !ok || rest == "" || rest[0] != ' ' && rest[0] != '{' {
			continue
		}
		end := strings.LastIndexByte(rest, '}') + 1
		fields := strings.Fields(rest[end:])
		if len(fields) == 0 {
			return fmt.Errorf("metric %s has no value in %q", name, lines.Text())
		}
		value, err := strconv.ParseFloat(fields[0], 64)
		if err != nil {
			return fmt.Errorf("metric %s: %w", name, err)
		}
		sample(rest[:end], value)
	}
	return lines.Err()
}
