package settings

// Leaves are the errors that were joined, each by itself: of a config that is
// made of others, all of their faults.
func Leaves(err error) (all []error) {
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		for _, one := range joined.Unwrap() {
			all = append(all, Leaves(one)...)
		}
		return all
	}
	if err != nil {
		all = append(all, err)
	}
	return all
}
