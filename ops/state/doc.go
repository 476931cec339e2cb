// Package state is what a person is shown of Penstock at one moment: the types of
// the JSON at /state, how a program gathers its own, how those of several
// programs become one, and what is to be said of it.
//
//	gather (Node, Compactor)  ->  State  ->  Merge  ->  Diagnose  ->  page, top
//
// A program gathers by hooks, as all of ops does: a few assignments under a lock.
// Everything behind that is pure: [Merge] and [Diagnose] read no clock and do no
// I/O, so what an operator is told at three in the morning is a table of tests.
//
// # Units
//
// Fields whose name ends in _seconds are seconds, in bytes are bytes, and rates
// are a second, as floats. Times are UTC. What is not known is absent, and not 0.
package state
