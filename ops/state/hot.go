package state

// A partition is hot if more nodes do not help it: it gets much more than the others,
// and is behind for it. Package scaling says so of one that gets more than a node can
// read; to see that takes the node's capacity, and a partition whose lane is full is not
// read, so that nobody knows what arrives. So two signs are taken here: that it holds
// several times the lag of the others, and that it does not do so from an outage, when
// all are behind alike.
const (
	// hotTimes is how many times the mean of the others its lag has to be. Smaller: keys
	// that are a little uneven look hot while anything is drained.
	hotTimes = 4
	// hotArriving is how many times the mean of the others has to arrive, where that is
	// known. A partition that only a slow node holds up gets no more than others.
	hotArriving = 2
)

// markHot finds the hot ones among a topic's partitions.
func markHot(all []Partition) {
	var lag int64
	var arriving float64
	others := -1.0
	for _, p := range all {
		if p.Committed >= 0 { // of one that is being settled nothing is known
			lag += p.Lag
			arriving += p.Arriving
			others++
		}
	}
	for i := range all {
		p := &all[i]
		p.Hot = others > 0 && p.Seconds > Promise &&
			float64(p.Lag) > hotTimes*float64(lag-p.Lag)/others &&
			p.Arriving >= hotArriving*(arriving-p.Arriving)/others
	}
}
