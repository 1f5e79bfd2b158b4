// Package upgrade runs two versions of Keypin side by side on one PostgreSQL and one
// Redis, through a rolling upgrade as docs/operations.md says to do it, under load:
//
//	go test -count=1 ./test/upgrade
//
// Version N is this tree. Version N+1 is this tree too, built with changes laid over it
// (go build -overlay): a version string of its own, two migrations of the forms that
// migrations may have (a column with a default and a new table; an index made
// concurrently), and the statement that inserts keys, which writes the column and the
// table. So the two are programs of their own, with schemas of their own.
//
// What it shows: N serves while N+1's migrations run, both serve on N+1's schema, what one
// writes the other reads, keeps and acts upon within its bounds, and N is refused once it
// is to start there.
//
// What it does not show: that a certain release and the next get along. The code that two
// versions share here is the same, so that nothing in what they tell one another, over
// PostgreSQL's channel, in Redis' windows or in stored answers, can differ. There is no
// release yet. As soon as there is one, point the test at its program, and N+1 is this
// tree as it is:
//
//	UPGRADE_FROM=/usr/local/bin/keypin go test -count=1 ./test/upgrade
package upgrade
