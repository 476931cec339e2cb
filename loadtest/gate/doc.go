// Package gate judges a load: what a scenario says, what was measured of it,
// whether it holds to its objectives, and how one version compares to another.
//
// It does no I/O and reads no clock. A [Scenario] is parsed from a file; package
// play, or the local stack, makes a [Run] of it, once or several times for each
// version; [NewReport] computes figures from the runs, judges them, and is
// written as JSON, Markdown and HTML.
//
// What a report says depends on these rules alone:
//
//   - Latencies count from the time at which a reading was meant to be sent.
//   - Figures that are proven, such as missing readings, are judged by the worst
//     run. All others are judged by the median of the runs.
//   - A version is worse than its baseline if the medians differ by more than the
//     scenario tolerates, and every run of it was worse than every run of the
//     baseline. If only the medians say so, that is unclear, and asks for more
//     runs.
//   - What was not measured is not held.
package gate
