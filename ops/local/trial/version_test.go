package trial

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// repository makes one whose two commits build an ingest that says which it is.
func repository(t *testing.T) (root string) {
	t.Helper()
	root = t.TempDir()
	git := func(args ...string) {
		t.Helper()
		cmd := exec.Command("git", append([]string{"-C", root, "-c", "user.name=test", "-c", "user.email=test@localhost"}, args...)...)
		if said, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("git %v: %v: %s", args, err, said)
		}
	}
	write := func(name, text string) {
		t.Helper()
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	git("init", "--quiet")
	write("go.mod", "module example\n\ngo 1.26.0\n")
	for _, says := range []string{"old", "new"} {
		write("cmd/ingest/main.go", "package main\n\nfunc main() { print(\""+says+"\") }\n")
		git("add", ".")
		git("commit", "--quiet", "-m", says)
	}
	return root
}

// TestBuild: a revision is built as it was committed, and what is in the work tree
// is left alone.
func TestBuild(t *testing.T) {
	root, dir := repository(t), filepath.Join(t.TempDir(), "baseline")
	changed := filepath.Join(root, "cmd", "ingest", "main.go")
	if err := os.WriteFile(changed, []byte("not committed, and no program"), 0o644); err != nil {
		t.Fatal(err)
	}
	b, err := Build(t.Context(), root, "HEAD~1", dir)
	if err != nil {
		t.Fatal(err)
	}
	if b.Name != "HEAD~1" || len(b.Commit) != 40 {
		t.Errorf("it is %+v", b)
	}
	if said, err := exec.Command(b.Program).CombinedOutput(); err != nil || string(said) != "old" {
		t.Errorf("it says %q, %v; want what was committed first", said, err)
	}
	if text, err := os.ReadFile(changed); err != nil || !strings.HasPrefix(string(text), "not committed") {
		t.Errorf("the work tree has become %q, %v", text, err)
	}
	if v, err := newVersion("baseline", b.Name, b.Program); err != nil || v.side.Version.Go == "" || v.side.Version.Modified {
		t.Errorf("it says it is %+v, %v", v, err)
	}
	if _, err := Build(t.Context(), root, "no-such-thing", filepath.Join(t.TempDir(), "b")); err == nil || !strings.Contains(err.Error(), `baseline "no-such-thing"`) ||
		!strings.Contains(err.Error(), "name a revision of the repository, or a report that ends in .json") {
		t.Errorf("a revision that is none: %v", err)
	}
}

// TestInWorkTree: a program that does not say its commit has the one of the work
// tree it was built in, and no other program has.
func TestInWorkTree(t *testing.T) {
	root := repository(t)
	v := &version{program: filepath.Join(root, "bin", "ingest")}
	v.inWorkTree(t.Context(), root)
	if len(v.side.Version.Commit) != 40 || v.side.Version.Modified {
		t.Errorf("in a clean work tree: %+v", v.side.Version)
	}
	other := &version{program: filepath.Join(t.TempDir(), "ingest")}
	other.inWorkTree(t.Context(), root)
	if other.side.Version.Commit != "" {
		t.Errorf("a program from elsewhere: %+v", other.side.Version)
	}
}

func TestSettings(t *testing.T) {
	got := settings([]string{"PATH=/bin", "PENSTOCK_INGEST_BATCH__AGE=1s", "PENSTOCK_FAILPOINT=x", "PENSTOCK_LOADTEST_PASSWORD=secret"})
	if want := "PENSTOCK_FAILPOINT PENSTOCK_INGEST_BATCH__AGE"; strings.Join(got, " ") != want {
		t.Errorf("got %v, want %s", got, want)
	}
}
