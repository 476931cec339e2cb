//go:build unix && !linux

package child

import "syscall"

// attributes puts the child in a process group of its own, so that a ^C at the
// terminal reaches only the parent. There is no parent-death signal here: after
// a kill -9 of the parent its children have to be ended by hand.
func attributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true}
}
