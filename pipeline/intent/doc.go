// Package intent decides what the lanes commit, and in which order a crashed
// batch is settled. It does no I/O, reads no clock and starts no goroutine.
package intent
