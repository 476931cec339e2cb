// Package dedup remembers which events were seen, so that a device's resend is
// stored once.
//
// # What is a resend
//
// A device numbers its readings, so one bit a number says whether it was seen:
// blocks of 512 numbers, an eighth of a byte each for a device that is busy. A
// device that starts anew may count from 0 again, and those readings are no
// resends. A resend repeats its reading, and so its event time; a new reading
// that uses a number again has another. So a block keeps the least and the
// greatest event time of its readings, and a number is a resend if its bit is
// set and its time is within the block's, bounds included. If the bit is set and
// the time is not, the numbers are in use for another time: the block has a
// further era, with bits and times of its own. A number whose bit is not set in
// some era goes to the one whose times are nearest.
//
// Why not the time of each number? It would make this exact, for at least eight
// bytes an identity instead of an eighth of one.
//
// # Promised
//
//   - A resend within the span after its reading was taken is known, whatever
//     clocks and order: its bit is set in an era whose times include its own,
//     and times of an era only widen. Two bounds may forget it sooner: the
//     memory (Seen tells by shrunk), and eight further uses of its number
//     or of others in its block of 512.
//   - A reading whose number the device did not use within the window is taken,
//     whatever its time.
//   - A reading that uses a number again is taken if the device's clock went
//     forward since, and its readings came in order: its time is after all that
//     the block has seen. So it does not matter either that a rebuilt window has
//     no eras but one: the time is after those of all of them.
//
// # Not promised
//
// Each of these needs a restart within the window, and a block with numbers
// from before and after it; no more readings are concerned than such a block has
// numbers. They are counted as duplicates, so an audit shows them.
//
//   - A device that resets its number and its clock, or restarts with a clock
//     that is behind times it has used, repeats identities: a new reading
//     within times of the block counts as a duplicate.
//   - So does one that restarts within what its clock can tell apart: taking a
//     reading in the same millisecond, or second, as the last before.
//   - After a restart, a reading with a number the block had not reached may come
//     before those with lower ones. It goes to the era before the restart and
//     widens its times; those lower ones then count as duplicates. In a
//     rebuilt window that goes for readings from before a restart that come
//     for the first time after it, and after the rebuilding, too.
//   - A reading with a glitch for a time widens the times of its block, up to
//     what the schema takes for credible; until then a restart is not seen in
//     that block.
//
// # Memory
//
// A block, or an era of one, takes 112 bytes and its place in a table: 123 to
// 133 in all, as the table has grown lately or not, and 144 while it grows. That
// is 0.25 bytes an identity for a device that fills its blocks, 31 to 33 for one
// with four readings in the window, and 123 to 133 for one with one. A
// fingerprint takes 11 to 21, and 32 while its table grows. (TestBytes, and
// BenchmarkWindow on amd64 with Go 1.26.) A window of a busy partition, 28
// million identities an hour, is 7 MB to 15 MB of blocks, and 0.3 GB to 1.2 GB
// of fingerprints: those need a bound.
//
// # Time
//
// What a reading costs is how often it waits for memory. Most have their block
// in the generation now, and are later than all of that block in the one before:
// they wait for a place of one table, then for one era. The first of a block
// looks into both tables, and leaves in its era where the other generation has
// the block. (BenchmarkSeen, by devices, and BenchmarkGrow.)
package dedup
