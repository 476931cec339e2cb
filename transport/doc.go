// Package transport is how the programs reach Kafka, ClickHouse and whatever
// else there is, and are reached themselves: TLS, whose certificates and
// authorities are read again when their files change, and secrets, which come
// from the config, the environment or a file, and are never printed. Below it,
// package brokers has the options of every client of Kafka, with SASL, and package
// native those of ClickHouse's.
//
// What is read from files is kept for the whole process, by the files' names.
// Why not by whoever uses it? A config is a value that is copied to where it is
// used, and many clients live for a moment: one that is made while a file is half
// written would have nothing to fall back on. So that an operator hears of it,
// [Notify] takes a function that is told.
//
// A connection that stands is left alone: new certificates count from the next
// one on.
//
// The package is below all others and imports nothing of ours.
package transport
