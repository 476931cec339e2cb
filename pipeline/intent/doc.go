// Package intent decides what the lanes commit to Kafka, and in which order
// what a crash left behind is settled. It does no I/O, reads no clock and
// starts no goroutine: values go in, values come out, and others act on them.
//
// # The idea
//
// ClickHouse skips an insert whose token it has seen, so an insert can be
// repeated as long as it is repeated with the same rows. After a crash nobody
// knows which rows those were, unless they were written down. So before a batch
// is inserted, the offset commit of each of its partitions says so: everything
// below its offset is done, and its metadata lists the spans that are about to
// be stored, each under its batch's token. No state but that is kept, and Kafka
// refuses the commit of a member whose time is over.
//
// Everything here follows from one rule: no row is sent under a token that Kafka
// does not hold for it.
//
//   - Ledger is the rule for the owner of a batch. It says what the next commit
//     says, when a batch may be inserted, and when it is confirmed.
//   - Settlement is the rule for whoever owns a partition next. It says, step by
//     step, how to make sure that each listed span is stored exactly once,
//     whatever its old owner still has in flight.
//
// # Settling: claim, fence, look
//
// A new owner first commits what it has read: reading commits is not fenced, and
// only who is current may spend a token. Then, for each intent, it asks the
// receipts which rows are missing and inserts those under the intent's token.
// The answer says little: the insert was stored, or it was skipped because the
// token was spent before, by the batch itself or by the owner of another of its
// partitions. But the token is spent now, so nothing that is still in flight
// under it can land, and the receipts, asked again, tell what is really so. Rows
// that are still missing go under a further token, which is committed first.
//
// Why the receipts come before the first insert and not only after it: the
// window was rebuilt before the first intent was settled, which may be long ago
// when it is the turn of the last. Its token may be spent and forgotten since.
//
// Why the further token is committed and not only derived: the token before it
// was spent by somebody, some time ago, and is forgotten some time. An owner
// that begins again at that one, while an insert under the further one is in
// flight, would store the rows twice.
//
// # Gaps
//
// A partition that is far behind may be read at its head and, beside that, in
// the gap below. Its offset stays the lowest that is not done, so that lag is
// what it was, and the ranges above that are done are listed. Each gap and the
// head are read in the order of their offsets; between one another they are read
// in any order, but a batch has at most one span of a partition, and spans are
// declared and listed in the order in which they were read. They are settled in
// that order, too: which of two records of one identity is the resend was
// decided by it, and who decides otherwise stores what an insert in flight has
// another copy of. A batch that is stored stays listed while one read before it
// is not, so that who settles that one knows no more of what followed than was
// known when it was read.
//
// # Refused rows
//
// Where the server refuses an insert for its rows, the same token is tried with
// fewer of them, down to one, which is dead-lettered if it is refused too. Once
// some were taken the token is spent, and what is left goes under another: of
// the owner's choice by Ledger.Renew, the next step of a Settlement. Why not
// halves with tokens of their own at once: the whole may be in flight still, and
// a server that refuses it now may take it in a minute, beside the halves.
//
// Of a day of which nothing was taken the token is not spent, and keeps nothing
// out. That is nothing to the owner of a batch, before whom nobody sent anything
// under its token, and whose attempts are answered. Who settles it does not know
// what others have in flight: rows that are dead-lettered now would be stored
// later, beside a resend of theirs that was stored meanwhile, or what a further
// token's insert stored. So it waits until attempts that rest on commits from
// before its claim are over, looks once more, and only then dead-letters. Why not
// keep such a day's token when the other days go on to a further one: the commit
// would have to list days, of which a batch of late events has any number, and a
// row that is dead could still be stored.
//
// # What whoever acts on this has to do
//
//   - Commit as the doc of Ledger says: one at a time, under an ownership epoch.
//   - Once the answer to an attempt is missing, ask the receipts, on the replica
//     that is written to, before each further attempt of the batch, also those of
//     its other days, and send only what they do not show; under the same token.
//   - Once an insert is acknowledged that was such a repetition, or that held
//     fewer rows than were meant, ask for all rows of the batch, also those it did
//     not hold: the whole may have landed before it. What is missing still is
//     left for Renew. A batch whose every attempt was answered, and that was taken
//     whole, is stored.
//   - Bound the time from the moment a commit was sent that Kafka accepted to the
//     one when an attempt has had its effect or never will, on the client and on
//     the server. Where an attempt would be later, have Kafka accept once more
//     what Ledger.Says, or the settlement's claim, and ask the receipts: a node
//     that has lost the batch without knowing is told so before it sends again.
//     ClickHouse must not forget a token while an insert under it is in flight:
//     its window has to be much longer than that bound. This is assumed, and no
//     mechanism enforces it.
//   - Wait, where a Settlement says so, for that bound from when its first claim
//     was answered.
//   - Commit as the member that was given the partitions, and as no other: a node
//     that was thrown out while it joined is a new member before it hears of it,
//     and Kafka takes its commit of what others own or owned meanwhile.
//   - Be in doubt where an attempt is refused and an earlier one under the same
//     token and day was not answered: fewer rows would be taken for it.
//   - Repeat a commit that is refused, or not answered, unchanged and before any
//     other of its partitions, until it is accepted or the lane is in doubt. That
//     an attempt without an answer takes no effect after a later commit is assumed
//     too: were it held back so long, it would undo what was declared since.
//
// # The text
//
// The metadata is ASCII and at most 4,096 bytes, the broker's default bound:
//
//	metadata = "penstock/1" " " offset { " " intent }
//	         | "penstock/2" " " offset { " " range } { " " intent }
//	range    = first "+" count
//	intent   = batch [ "/" step ] ":" shard ":" range "@" time
//	batch    = 1 to 96 of A-Z a-z 0-9 . _ -
//	shard    = 1 to 64 of them
//
// Numbers are decimal, without sign or leading zeros. The offset is the
// commit's own again: the metadata of a commit that somebody moved, or that a
// replicator translated for another cluster, speaks of other records. first and
// count are the offsets of a span, or of what is done above the offset; time is
// when a span was declared, in Unix seconds. step is absent for 0. For example, a
// partition of which two batches are in flight, and one that is read at its head
// and in a gap of 788,000 records:
//
//	penstock/1 1204500 r7-41:east:1204500+5000@1795544815 r7-42:east:1209500+4800@1795544816
//	penstock/2 1204500 2000000+2500 r7-43:east:2002500+900@1795544818 r7-44:east:1204500+7500@1795544818
//
// Version 2 is written only of a partition that has a gap; offsets that its
// entries leave out are still to be read. Those of version 1 follow one another,
// and what they leave out has no record.
//
// # How it is known to hold
//
// The model in this package's tests drives both through a world in which nodes
// die, freeze and go on, or are thrown out and come back without a word, inserts
// come late, twice or never, answers are lost, commits are repeated, ClickHouse
// forgets tokens, or remembers one whose rows a crash has taken, begins and ceases
// to refuse rows, and partitions change hands meanwhile, and are read at the head
// first or in order. Each mechanism, switched off, makes it show a loss or a double.
package intent
