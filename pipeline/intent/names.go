package intent

// IsShard says whether an intent can name a shard so.
func IsShard(name string) bool { return isName(name, maxShard) }
