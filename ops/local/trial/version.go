package trial

import (
	"context"
	"debug/buildinfo"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"penstock/loadtest/gate"
)

// newVersion returns what a program says of itself.
func newVersion(label, name, program string) (*version, error) {
	info, err := buildinfo.ReadFile(program)
	if err != nil {
		return nil, fmt.Errorf("see what %s was built from: %w", program, err)
	}
	v := gate.Version{Name: name, Go: info.GoVersion}
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			v.Commit = s.Value
		case "vcs.modified":
			v.Modified = s.Value == "true"
		case "-tags":
			v.Tags = s.Value
		}
	}
	return &version{side: gate.Side{Version: v}, program: program, label: label}, nil
}

// inWorkTree fills in the commit of a program in the bin folder of the repository
// in root that does not say one: what is built in a linked work tree, or with
// -buildvcs=false, does not. It is the work tree's, in which the program was just
// built.
func (v *version) inWorkTree(ctx context.Context, root string) {
	if v.side.Version.Commit != "" || root == "" || filepath.Dir(v.program) != filepath.Join(root, "bin") {
		return
	}
	commit, err := exec.CommandContext(ctx, "git", "-C", root, "rev-parse", "HEAD").Output()
	changes, errChanges := exec.CommandContext(ctx, "git", "-C", root, "status", "--porcelain").Output()
	if err == nil && errChanges == nil { // without git it stays unknown
		v.side.Version.Commit, v.side.Version.Modified = strings.TrimSpace(string(commit)), len(changes) > 0
	}
}

// Build builds the ingest of a revision of the repository in root, in a folder
// that has to be empty or not there.
func Build(ctx context.Context, root, revision, dir string) (*Baseline, error) {
	run := func(command ...string) (string, error) {
		cmd := exec.CommandContext(ctx, command[0], command[1:]...)
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
		said, err := cmd.CombinedOutput()
		if err != nil {
			return "", fmt.Errorf("build baseline %q: %s: %w: %s", revision, strings.Join(command, " "), err, strings.TrimSpace(string(said)))
		}
		return strings.TrimSpace(string(said)), nil
	}
	commit, err := run("git", "-C", root, "rev-parse", "--verify", revision+"^{commit}")
	if err != nil {
		return nil, fmt.Errorf("%w; name a revision of the repository, or a report that ends in .json", err)
	}
	source := filepath.Join(dir, "source")
	program := filepath.Join(dir, "ingest")
	// A clone of its own, which shares the objects: the repository's work tree and
	// its list of work trees stay as they are.
	for _, step := range [][]string{
		{"git", "clone", "--quiet", "--shared", "--no-checkout", root, source},
		{"git", "-C", source, "checkout", "--quiet", commit},
		{"go", "-C", source, "build", "-o", program, "./cmd/ingest"},
	} {
		if _, err := run(step...); err != nil {
			return nil, err
		}
	}
	return &Baseline{Name: revision, Program: program, Commit: commit}, os.RemoveAll(source)
}
