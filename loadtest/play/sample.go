package play

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	"github.com/twmb/franz-go/pkg/kadm"

	"penstock/loadtest/gate"
)

const (
	// sampleEvery is the time between two samples. One costs Kafka two requests
	// and each node a page.
	sampleEvery = time.Second
	// sampleTimeout ends a look that hangs.
	sampleTimeout = 5 * time.Second
	// ingest is what nodes are called, all together.
	ingest = "ingest"
)

// sampler looks at the programs.
type sampler struct {
	cfg   Config
	kafka *kadm.Client
	start time.Time
	used  map[string]*counter

	samples []gate.Sample
	crashed []string
}

// counter adds up a count that begins anew with each process.
type counter struct{ first, before, sum float64 }

// add returns by how much a count has grown since it was seen first.
func (c *counter) add(now float64) float64 {
	if now < c.before { // another process
		c.sum, c.first = c.sum+c.before-c.first, 0
	}
	c.before = now
	return c.sum + now - c.first
}

// grown is how much a count of this name has grown.
func (s *sampler) grown(name string, now float64) float64 {
	c := s.used[name]
	if c == nil {
		c = &counter{first: now}
		s.used[name] = c
	}
	return c.add(now)
}

// run looks once a second until ctx ends, or a part of the stack has.
func (s *sampler) run(ctx context.Context, start time.Time) error {
	s.start = start
	tick := time.NewTicker(sampleEvery)
	defer tick.Stop()
	for {
		err := s.look(ctx)
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// look takes a sample. What does not answer is left out of it: it may be what the
// scenario has broken.
func (s *sampler) look(ctx context.Context) error {
	if s.cfg.Hands != nil {
		crashed, err := s.cfg.Hands.Crashed()
		s.crashed = append(s.crashed, crashed...)
		if err != nil {
			return err
		}
	}
	ctx, cancel := context.WithTimeout(ctx, sampleTimeout)
	defer cancel()
	sample := gate.Sample{CPU: map[string]float64{}, MiB: map[string]float64{}}
	var err error
	if sample.Lag, err = s.lag(ctx); err != nil {
		return nil // Kafka is away; the fleet's own errors say so if that lasts
	}
	for _, addr := range s.cfg.Nodes {
		cpu, bytes, err := process(ctx, addr)
		if err == nil {
			s.grown(addr, cpu)
			sample.MiB[ingest] = max(sample.MiB[ingest], bytes/(1<<20))
		}
	}
	for _, addr := range s.cfg.Nodes {
		if c := s.used[addr]; c != nil {
			sample.CPU[ingest] += c.sum + c.before - c.first
		}
	}
	if s.cfg.Others != nil {
		others, err := s.cfg.Others()
		if err != nil {
			return err
		}
		for program, seconds := range others {
			sample.CPU[program] = s.grown(program, seconds)
		}
	}
	sample.At = time.Since(s.start).Seconds()
	s.samples = append(s.samples, sample)
	return nil
}

// lag is how many records of the topic the group has not committed.
func (s *sampler) lag(ctx context.Context) (int64, error) {
	topic := s.cfg.Target.Topic
	ends, err := s.kafka.ListEndOffsets(ctx, topic)
	if err == nil {
		err = ends.Error()
	}
	if err != nil {
		return 0, fmt.Errorf("end of topic %s: %w", topic, err)
	}
	committed, err := s.kafka.FetchOffsets(ctx, s.cfg.Group)
	if err == nil {
		err = committed.Error()
	}
	if err != nil {
		return 0, fmt.Errorf("offsets of group %s: %w", s.cfg.Group, err)
	}
	lag := int64(0)
	for p, end := range ends[topic] {
		lag += end.Offset
		if at, ok := committed.Lookup(topic, p); ok && at.At > 0 {
			lag -= at.At
		}
	}
	return lag, nil
}

// process asks a node what it has used: CPU in seconds, memory in bytes.
func process(ctx context.Context, addr string) (cpu, bytes float64, err error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+addr+"/metrics", nil)
	if err != nil {
		return 0, 0, err
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return 0, 0, err
	}
	defer func() { err = errors.Join(err, answer.Body.Close()) }()
	if answer.StatusCode != http.StatusOK {
		return 0, 0, fmt.Errorf("GET %s: %s", request.URL, answer.Status)
	}
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(answer.Body)
	if err != nil {
		return 0, 0, fmt.Errorf("GET %s: %w", request.URL, err)
	}
	seconds, resident := families["process_cpu_seconds_total"], families["process_resident_memory_bytes"]
	if seconds == nil || resident == nil {
		return 0, 0, fmt.Errorf("GET %s: it has no process_cpu_seconds_total; is it an ingest node?", request.URL)
	}
	return seconds.GetMetric()[0].GetCounter().GetValue(), resident.GetMetric()[0].GetGauge().GetValue(), nil
}
