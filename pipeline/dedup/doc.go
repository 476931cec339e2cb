// Package dedup remembers which events were seen, so that a device's resend is
// stored once.
package dedup
