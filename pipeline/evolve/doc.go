// Package evolve keeps what an event is the same everywhere while it grows.
//
// Every version of a schema is written down beside the tables, in
// <name>_schema of the first shard: first as accepted, which decides what the
// version is, then, when every table of every shard and replica has its columns,
// as ready. Nodes and the compactor use the newest that is ready, and look for it
// all the time. The schema file is what a database begins with.
//
// Whoever is killed between the two leaves a version that is accepted and not
// ready. Whoever comes next finishes it: every statement can be repeated.
package evolve
