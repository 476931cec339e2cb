package fetch

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"
)

// fakeClients puts package clients on the PATH that do without a network what
// the real ones do with one: each writes a line to a journal and leaves the
// files the item is made of. It returns the journal.
func fakeClients(t *testing.T) (journal string) {
	t.Helper()
	dir := t.TempDir()
	journal = filepath.Join(dir, "journal")
	for name, script := range map[string]string{
		"mvn": `for arg; do case $arg in -DoutputDirectory=*) out=${arg#*=};; esac; done
sleep 0.2; mkdir -p "$out"; echo jar > "$out/kafka_2.13-4.3.1.jar"`,
		"npm": `mkdir package; echo engine > package/libchdb.so; tar czf "$5/chdb.tgz" package`,
		"go":  `echo gateway > "$GOBIN/versitygw"`,
		"python3": `mkdir -p "$3/bin"; printf '#!/bin/sh\necho "python $*" >> %s\n' '` + journal + `' > "$3/bin/python"
chmod +x "$3/bin/python"`,
	} {
		text := "#!/bin/sh\nset -e\necho \"" + name + " $*\" >> '" + journal + "'\n" + script + "\n"
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("PATH", dir+":/usr/bin:/bin")
	return journal
}

func noClients(t *testing.T) {
	t.Helper()
	t.Setenv("PATH", t.TempDir())
}

func calls(t *testing.T, journal string) []string {
	t.Helper()
	text, err := os.ReadFile(journal)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		t.Fatal(err)
	}
	return strings.Split(strings.TrimSpace(string(text)), "\n")
}

// onAnyMachine is the items without what only this machine may lack.
func onAnyMachine() []Item {
	items := append([]Item{}, Items...)
	for n := range items {
		items[n].Unsupported = ""
	}
	return items
}

func TestEnsureOnceAndThenOffline(t *testing.T) {
	journal := fakeClients(t)
	var out bytes.Buffer
	cache := Cache{Dir: filepath.Join(t.TempDir(), "cache"), Out: &out}
	items := onAnyMachine()
	if err := cache.Ensure(t.Context(), items...); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		cache.Path(Kafka):      "jar\n",
		cache.Path(ClickHouse): "engine\n",
		cache.Path(S3):         "gateway\n",
	} {
		got, err := os.ReadFile(path)
		if err != nil || string(got) != want {
			t.Errorf("%s holds %q (%v), want %q", path, got, err, want)
		}
	}
	if got := calls(t, journal); len(got) != 5 { // DuckDB takes two: venv, then pip
		t.Errorf("package clients were called %d times, want 5:\n%s", len(got), strings.Join(got, "\n"))
	}
	for _, i := range items {
		for _, want := range []string{"fetch " + i.String() + " ...", "fetch " + i.String() + ": done in "} {
			if !strings.Contains(out.String(), want) {
				t.Errorf("the output lacks %q:\n%s", want, out.String())
			}
		}
		if left, err := filepath.Glob(filepath.Join(cache.Dir, i.folder(), "tmp")); err != nil || left != nil {
			t.Errorf("%v was left behind (%v)", left, err)
		}
	}

	noClients(t)
	out.Reset()
	if err := cache.Ensure(t.Context(), items...); err != nil {
		t.Errorf("with all of it in the cache: %v", err)
	}
	if out.Len() != 0 {
		t.Errorf("there was nothing to fetch, and still it said:\n%s", out.String())
	}
}

func TestEnsureNamesEveryMissingTool(t *testing.T) {
	noClients(t)
	cache := Cache{Dir: filepath.Join(t.TempDir(), "cache"), Out: &bytes.Buffer{}}
	err := cache.Ensure(t.Context(), onAnyMachine()...)
	if err == nil {
		t.Fatal("want an error")
	}
	const want = `mvn is missing; it is needed to fetch kafka 4.3.1; install it, for example: apt-get install -y maven
npm is missing; it is needed to fetch chdb 26.7.3; install it, for example: apt-get install -y npm
go is missing; it is needed to fetch versitygw 1.8.0; install it, for example: see https://go.dev/doc/install
python3 is missing; it is needed to fetch duckdb 1.5.5; install it, for example: apt-get install -y python3 python3-venv`
	if err.Error() != want {
		t.Errorf("got\n%v\nwant\n%s", err, want)
	}
	if _, err := os.Stat(cache.Dir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("something was begun: %v", err)
	}
}

func TestTwoStacksFetchOnce(t *testing.T) {
	journal := fakeClients(t)
	dir := t.TempDir()
	var both sync.WaitGroup
	for range 2 {
		both.Go(func() {
			if err := (Cache{Dir: dir, Out: &bytes.Buffer{}}).Ensure(t.Context(), Kafka); err != nil {
				t.Error(err)
			}
		})
	}
	both.Wait()
	if got := calls(t, journal); len(got) != 1 {
		t.Errorf("kafka was fetched %d times:\n%s", len(got), strings.Join(got, "\n"))
	}
}

func TestFailureShowsWhyAndLeavesNothing(t *testing.T) {
	fakeClients(t)
	cache := Cache{Dir: t.TempDir(), Out: &bytes.Buffer{}}
	broken := S3
	broken.build = func(ctx context.Context, w *workshop) error {
		if err := os.WriteFile(w.path("versitygw"), []byte("half of it"), 0o755); err != nil {
			return err
		}
		return w.run(ctx, nil, "sh", "-c", "echo no route to the registry >&2; exit 7")
	}
	err := cache.Ensure(t.Context(), broken)
	if err == nil {
		t.Fatal("want an error")
	}
	for _, want := range []string{"fetch versitygw 1.8.0", "exit status 7", "no route to the registry", "versitygw-1.8.0.log"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("error lacks %q: %v", want, err)
		}
	}
	if cache.Has(broken) {
		t.Error("half an item counts as one")
	}
	if err := cache.Ensure(t.Context(), S3); err != nil {
		t.Errorf("the next fetch: %v", err)
	}
}

func TestFetchedWithoutWhatItProvides(t *testing.T) {
	cache := Cache{Dir: t.TempDir(), Out: &bytes.Buffer{}}
	empty := Item{Name: "empty", Version: "1", Provides: "program",
		build: func(context.Context, *workshop) error { return nil }}
	err := cache.Ensure(t.Context(), empty)
	if err == nil || !strings.Contains(err.Error(), "lacks program") {
		t.Errorf("got %v", err)
	}
}

func TestCancelWhileAnotherFetches(t *testing.T) {
	fakeClients(t)
	cache := Cache{Dir: t.TempDir(), Out: &bytes.Buffer{}}
	unlock, err := lock(t.Context(), filepath.Join(cache.Dir, S3.folder()+".lock"))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	if err := cache.Ensure(ctx, S3); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v, want the deadline", err)
	}
	if err := unlock(); err != nil {
		t.Fatal(err)
	}
	if err := cache.Ensure(t.Context(), S3); err != nil {
		t.Errorf("after the other is done: %v", err)
	}
}

func TestExtractNamesWhatIsNotThere(t *testing.T) {
	fakeClients(t)
	cache := Cache{Dir: t.TempDir(), Out: &bytes.Buffer{}}
	wrong := ClickHouse
	wrong.Unsupported = ""
	wrong.build = func(ctx context.Context, w *workshop) error {
		if err := w.run(ctx, nil, "npm", "pack", "--cache", "x", "--pack-destination", w.tmp()); err != nil {
			return err
		}
		return extract(ctx, w.path("tmp", "chdb.tgz"), "package/other.so", w.path("libchdb.so"))
	}
	err := cache.Ensure(t.Context(), wrong)
	if err == nil || !strings.Contains(err.Error(), "has no package/other.so") {
		t.Errorf("got %v", err)
	}
}

func TestClickHouseIsForOnePlatform(t *testing.T) {
	f := func(goos, goarch string, supported bool) {
		t.Helper()
		got := clickHouseUnsupported(goos, goarch)
		if (got == "") != supported {
			t.Errorf("%s/%s: %q", goos, goarch, got)
		}
		if !supported && !strings.Contains(got, goos+"/"+goarch) {
			t.Errorf("%q does not name %s/%s", got, goos, goarch)
		}
	}
	f("linux", "amd64", true)
	f("linux", "arm64", false)
	f("darwin", "arm64", false)

	cache := Cache{Dir: t.TempDir(), Out: &bytes.Buffer{}}
	foreign := ClickHouse
	foreign.Unsupported = clickHouseUnsupported("linux", "arm64")
	if err := cache.Ensure(t.Context(), foreign); err == nil || !strings.Contains(err.Error(), foreign.Unsupported) {
		t.Errorf("got %v", err)
	}
}

func TestDefaultDir(t *testing.T) {
	t.Setenv("PENSTOCK_CACHE", "/elsewhere/cache")
	if got, err := DefaultDir(); err != nil || got != "/elsewhere/cache" {
		t.Errorf("with PENSTOCK_CACHE: %q, %v", got, err)
	}
	t.Setenv("PENSTOCK_CACHE", "")
	_, file, _, _ := runtime.Caller(0)
	root := filepath.Join(filepath.Dir(file), "..", "..", "..")
	if got, err := DefaultDir(); err != nil || got != filepath.Join(root, ".cache") {
		t.Errorf("in the repository: %q, %v", got, err)
	}
	t.Chdir(t.TempDir())
	t.Setenv("XDG_CACHE_HOME", "/home/x/.cache")
	if got, err := DefaultDir(); err != nil || got != "/home/x/.cache/penstock" {
		t.Errorf("outside of it: %q, %v", got, err)
	}
}
