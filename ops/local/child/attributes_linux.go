package child

import "syscall"

// attributes puts the child in a process group of its own, so that a ^C at the
// terminal reaches only the parent, which then stops its children in order;
// and has the kernel kill it when the parent dies in whatever way.
func attributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}
