// Package failpoint lets a test kill, freeze or delay a program at a chosen
// place, and switch a mechanism of exactly once off to see that its absence is
// noticed.
//
// It does nothing unless it is built with the tag failpoints: At is then an
// empty function and Off the constant false, both inlined, so a program in
// production carries neither the branch nor the variable that would take it.
//
// With the tag two variables of the environment decide, read once at the
// start; a name that is not known ends the process with a message, because a
// fault that silently never happens proves nothing:
//
//	PENSTOCK_FAILPOINT=insert.after:3,confirm.before   killed at its n-th hit, the first by default
//	PENSTOCK_FAILPOINT=drop.before=stop                stopped by SIGSTOP there, until SIGCONT
//	PENSTOCK_FAILPOINT=insert.before:20=5s             delayed there by so much, at its 20th hit
//	PENSTOCK_FAILPOINT=insert.before:*20=5s            the same at every 20th hit
//	PENSTOCK_WITHOUT=token,fence
//
// The package is below all others, since pipeline and tiering share it and
// nothing else, and imports nothing of ours.
package failpoint
