package stack

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
)

// confined is the command that mounts a file system of so many MiB over a
// folder and then becomes the program whose command line follows. Only that
// program sees the mount, which ends with it: there is none to clean up, however
// things end.
func confined(mib int, dir string) []string {
	return []string{"unshare", "--mount", "--propagation", "private", "sh", "-c",
		fmt.Sprintf(`mkdir -p "$0" && mount -t tmpfs -o size=%dm penstock "$0" && exec "$@"`, mib), dir}
}

// CanConfine is nil if [ClickHouse.Confine] can work here; it takes the right to
// mount.
func CanConfine(ctx context.Context) error {
	dir := os.TempDir()
	if said, err := exec.CommandContext(ctx, "unshare", append(confined(1, dir)[1:], "true")...).CombinedOutput(); err != nil {
		return fmt.Errorf("a disk of its own takes the right to mount: %w: %s", err, strings.TrimSpace(string(said)))
	}
	return nil
}

// Confine gives the server a disk of so many MiB of its own, in memory, from its
// next Start until it ends; what is on it is gone then. 0 gives its data folder
// back.
func (c *ClickHouse) Confine(mib int) { c.disk = mib }

// Confined tells whether it runs on a disk of its own.
func (c *ClickHouse) Confined() bool { return c.disk > 0 }

// balloon is the file that takes the room.
const balloon = "balloon"

// inside is a path of the data folder as the server sees it.
func (c *ClickHouse) inside(name string) string {
	return filepath.Join(fmt.Sprintf("/proc/%d/root", c.process.Pid()), c.data, name)
}

// Fill takes all room of the server's own disk but for so many bytes. It writes
// until there is no more, because the server writes meanwhile, too.
func (c *ClickHouse) Fill(left int64) (err error) {
	if c.disk == 0 || c.process == nil {
		return errors.New("ClickHouse has no disk of its own to fill")
	}
	f, err := os.Create(c.inside(balloon))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	size, piece := int64(0), make([]byte, 1<<20)
	for err == nil {
		var n int
		n, err = f.Write(piece)
		size += int64(n)
	}
	if !errors.Is(err, syscall.ENOSPC) {
		return fmt.Errorf("fill ClickHouse's disk: %w", err)
	}
	return f.Truncate(max(0, size-left))
}

// Empty gives the room back.
func (c *ClickHouse) Empty() error {
	if err := os.Remove(c.inside(balloon)); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
}
