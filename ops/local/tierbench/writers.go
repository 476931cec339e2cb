package tierbench

import (
	"bytes"
	"context"
	_ "embed"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"penstock/ops/local/coldday"
	"penstock/ops/local/fetch"
	"penstock/ops/local/procfs"
	"penstock/schema"
)

// byClickHouse has ClickHouse write the day to S3 by itself, with as many
// threads as it answers the compactor with.
func (s *session) byClickHouse(ctx context.Context, day schema.Day) (f Figures, err error) {
	key := "clickhouse-" + day.String() + ".parquet"
	var names []string
	for _, c := range s.schema.Columns() {
		names = append(names, schema.QuoteIdent(c.Name))
	}
	order := append([]string{s.schema.Device, s.schema.Time.Field}, s.schema.Event()...)
	a := s.at.S3
	statement := fmt.Sprintf(`INSERT INTO FUNCTION s3('%s/%s/%s/%s', '%s', '%s', 'Parquet') SELECT %s FROM %s WHERE toDate(%s) = '%s' ORDER BY %s
SETTINGS max_threads = 2, output_format_parquet_compression_method = 'zstd', optimize_read_in_order = 1`,
		a.Endpoint, a.Bucket, prefix, key, a.AccessKey, a.SecretKey,
		strings.Join(names, ", "), s.schema.Hot(s.tables), s.schema.Time.Field, day, strings.Join(order, ", "))
	began := time.Now()
	if f.EngineSeconds, err = s.engineTakes(func() error { return s.exec(ctx, statement) }); err != nil {
		return f, err
	}
	f.Wall, f.Seconds, f.Files = time.Since(began).Seconds(), f.EngineSeconds, 1
	object, err := s.objects.Head(ctx, key)
	f.Bytes = float64(object.Size)
	return f, err
}

// byCompactor runs one of the compactor's commands. Its settings are its
// defaults; others can be tried by variables of the environment.
func (s *session) byCompactor(ctx context.Context, day schema.Day, args ...string) (f Figures, err error) {
	var said []byte
	f.EngineSeconds, err = s.engineTakes(func() error {
		cmd := exec.CommandContext(ctx, filepath.Join(s.cfg.Bin, "compactor"), args...)
		cmd.Env = append(os.Environ(), coldday.CompactorEnv(s.at, prefix)...)
		said, err = f.run(cmd)
		return err
	})
	if err != nil {
		return f, fmt.Errorf("compactor %s: %w", strings.Join(args, " "), err)
	}
	urls, err := s.files(ctx, day)
	if err != nil {
		return f, err
	}
	f.Files = len(urls)
	for _, url := range urls {
		object, err := s.objects.Head(ctx, strings.TrimPrefix(url, fmt.Sprintf("s3://%s/%s/", s.at.S3.Bucket, prefix)))
		if err != nil {
			return f, fmt.Errorf("%w; the compactor said %q", err, said)
		}
		f.Bytes += float64(object.Size)
	}
	return f, nil
}

// files are the URLs of the day's published files.
func (s *session) files(ctx context.Context, day schema.Day) ([]string, error) {
	cmd := exec.CommandContext(ctx, filepath.Join(s.cfg.Bin, "compactor"), "files")
	cmd.Env = append(os.Environ(), coldday.CompactorEnv(s.at, prefix)...)
	said, err := new(Figures).run(cmd)
	if err != nil {
		return nil, fmt.Errorf("compactor files: %w", err)
	}
	var of []string
	for _, url := range strings.Fields(string(said)) {
		if strings.Contains(url, day.String()) {
			of = append(of, url)
		}
	}
	if len(of) == 0 {
		return nil, fmt.Errorf("compactor files: none is of %s: %q", day, said)
	}
	return of, nil
}

//go:embed duckdb.py
var duckDBScript string

// byDuckDB has DuckDB write the day from the compactor's files.
func (s *session) byDuckDB(ctx context.Context, day schema.Day) (f Figures, err error) {
	files, err := s.files(ctx, day)
	if err != nil {
		return f, err
	}
	to := filepath.Join(s.at.State, "duckdb.parquet")
	a := s.at.S3
	want, err := json.Marshal(map[string]any{
		"endpoint": a.Endpoint, "region": a.Region, "access_key": a.AccessKey, "secret_key": a.SecretKey, "files": files, "to": to,
	})
	if err != nil {
		return f, err
	}
	if _, err := f.run(exec.CommandContext(ctx, s.cfg.Stack.Cache.Path(fetch.DuckDB), "-c", duckDBScript, string(want))); err != nil {
		return f, fmt.Errorf("DuckDB: %w", err)
	}
	written, err := os.Stat(to)
	if err != nil {
		return f, fmt.Errorf("DuckDB: %w", err)
	}
	f.Bytes, f.Files = float64(written.Size()), 1
	return f, os.Remove(to)
}

// run runs a program to its end, notes what the kernel knows of it and returns
// what it wrote to its standard output.
func (f *Figures) run(cmd *exec.Cmd) ([]byte, error) {
	var said, complained bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &complained
	began := time.Now()
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	tick := time.NewTicker(peakEvery)
	defer tick.Stop()
	for {
		select {
		case err := <-ended:
			if err != nil {
				return nil, fmt.Errorf("%w: %s", err, strings.TrimSpace(complained.String()))
			}
			f.Wall = time.Since(began).Seconds()
			f.Seconds = (cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()).Seconds()
			return said.Bytes(), nil
		case <-tick.C:
			// Of a process that has just ended there is none; the last one stays.
			if peak, err := procfs.PeakMemory(cmd.Process.Pid); err == nil {
				f.PeakMiB = float64(peak) / (1 << 20)
			}
		}
	}
}

// peakEvery is how often the most memory a program has held is asked for. Its
// resource usage at the end would tell too, but counts what this process held
// when it started the program.
const peakEvery = 20 * time.Millisecond

// engineTakes returns the CPU time ClickHouse takes while do runs, in seconds.
func (s *session) engineTakes(do func() error) (float64, error) {
	before, err := procfs.CPUSeconds(s.at.ClickHouse.Pid)
	if err != nil {
		return 0, err
	}
	if err := do(); err != nil {
		return 0, err
	}
	after, err := procfs.CPUSeconds(s.at.ClickHouse.Pid)
	return after - before, err
}
