// Package ops watches the programs and lets people operate them: metrics,
// readiness, lag, log and the admin server that shows the first three.
//
// The watched do not know the watcher. pipeline and tiering call a struct of
// functions, their Events; everything here that wants to know of them offers
// such a struct, and [Tee] makes one of several:
//
//	events := ops.Tee(stream.PipelineEvents(cfg), watch.PipelineEvents())
//	node, err := pipeline.New(cfg, schema, events)
//
// The functions are called on the lanes' way, so they do no I/O but the log's,
// hold no lock for longer than a few assignments, and never call back.
package ops
