package spelling

import "testing"

func TestTheDistanceIsHowManyBytesDiffer(t *testing.T) {
	t.Parallel()
	for pair, want := range map[[2]string]int{
		{"", ""}: 0, {"", "abc"}: 3, {"abc", ""}: 3, {"abc", "abc"}: 0, {"format", "fromat"}: 2, {"listen", "listne"}: 2, {"kitten", "sitting"}: 3,
	} {
		if got := Distance(pair[0], pair[1]); got != want || Distance(pair[1], pair[0]) != want {
			t.Errorf("%q: %d, want %d", pair, got, want)
		}
	}
}
