// Package sizing says what a load takes: partitions, nodes, servers, disks, S3 and
// money, each with the formula it is computed by.
//
// # Life of a plan
//
// An [Input] is what somebody wants. Beside it stand [Figures]: what was measured,
// with the place that says so and the command that measures it anew, and prices,
// which are assumptions. [New] computes the formulas one after the other; each is a
// line of text that names inputs, figures and earlier quantities, so what is printed
// is what was computed. Where a plan leaves the range in which the figures were
// measured, it says so.
//
// A formula is linear in what was measured on two cores. Nothing here was measured on
// a cluster: a plan is what to begin with, and package drill what to try on it.
package sizing
