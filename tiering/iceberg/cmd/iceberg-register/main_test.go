package main

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func write(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "iceberg.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// What is wrong with the command line or the config is said before anything is
// reached, all of it, each with value and remedy.
func TestFaults(t *testing.T) {
	f := func(config string, args []string, want ...string) {
		t.Helper()
		root := command(new(bytes.Buffer))
		root.SetArgs(append(args, "--config", write(t, config)))
		err := root.ExecuteContext(t.Context())
		for _, text := range want {
			if err == nil || !strings.Contains(err.Error(), text) {
				t.Errorf("%v: got %v, want %q", args, err, text)
			}
		}
	}
	good := "s3: {bucket: cold}\ncatalog: {type: glue}\n"
	f(good, []string{"run", "--every", "0s"}, "--every is 0s")
	f(good, []string{"run", "--once", "--every", "1m"}, "if any flags in the group [once every] are set")
	f("s3: {endpoint: nowhere}\ncatalog: {type: hive, url: x}\nnamespace: Über\ntable: a b\nfiles_per_commit: 0\nreaders: 0\nreplans: -1\nreplan_wait: 0s\n", []string{"plan"},
		"s3.bucket is empty", `s3.endpoint is "nowhere"`, `catalog.type is "hive"; want rest, glue or sql`, "catalog.url is not a setting; did you mean catalog.uri",
		`namespace is "Über"`, `table is "a b"`, "files_per_commit is 0", "readers is 0", "replans is -1", "replan_wait is 0s")
	f("s3: {bucket: cold}\ncatalog: {type: rest}\n", []string{"plan"}, "catalog.uri is empty")
	f("s3: {bucket: cold}\ncatalog: {type: glue, uri: x}\n", []string{"plan"}, `catalog.uri is "x"; Glue is found by s3.region`)
	f("s3: {bucket: cold}\ncatalog: {type: rest, uri: x, token: a, credential: b}\n", []string{"plan"}, "catalog.token and catalog.credential")
	f("s3: {bucket: cold}\ncatalog: {type: rest, uri: \"http://127.0.0.1:1\"}\n", []string{"plan"}, "open the rest catalog http://127.0.0.1:1")
}

// passes fail as often as they have errors.
type passes []error

func (p *passes) Pass(context.Context) (int, error) {
	if len(*p) == 0 {
		return 1, nil
	}
	err := (*p)[0]
	*p = (*p)[1:]
	return 0, err
}

// A pass that fails is told of and made again at its turn.
func TestLoop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, stop := context.WithCancel(t.Context())
		var said bytes.Buffer
		p := &passes{errors.New("catalog is away"), nil}
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			loop(ctx, p, slog.New(slog.NewTextHandler(&said, nil)), time.Minute)
		}()
		for i, left := range []int{1, 0} {
			synctest.Wait()
			if len(*p) != left {
				t.Errorf("after %d turns %d passes are left, want %d", i, len(*p), left)
			}
			time.Sleep(time.Minute)
		}
		stop()
		<-ended
		if got := said.String(); strings.Count(got, "\n") != 1 || !strings.Contains(got, `msg="pass failed" next_in=1m0s error="catalog is away"`) {
			t.Errorf("the log is %s", got)
		}
	})
}
