// Package drill plays a day of a system second by second, with an outage in it, and
// says whether and when it has caught up.
//
// # A second
//
// Events arrive, by a day whose load is a cosine with its peak at noon and a little
// noise. What is stored of them and of what has waited is the least of three: what
// there is, what the nodes can do, and what ClickHouse can. Both of these are CPU time
// by package sizing's figures. While the system is behind batches are full.
//
// # The scaler
//
// Every five seconds the nodes' pages are made up from that, and given to the real
// [scaling.Observer] and [scaling.Scaler]: what they decide is what they would.
// A node that is wanted comes after a while, and whenever their number changes the
// group stands still for a moment.
//
// # What is left out
//
// Partitions are evenly used; a batch takes no time to be made and stored while all
// is well, so a moment that is not behind has an age of 0 here and some hundred
// milliseconds in the world; queries, merges that were put off and days that move
// take what sizing leaves them.
package drill
