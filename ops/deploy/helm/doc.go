// Package helm has no code: its tests render the chart beside it, by Helm itself,
// and hold what comes out against the types of Kubernetes.
//
// It is a module of its own, so that nothing of Helm and Kubernetes is among what
// the product depends on. What it renders is kept in testdata, where the tests of
// the programs read it: whether a flag, a setting or a page exists is theirs to say.
package helm
