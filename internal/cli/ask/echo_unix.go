//go:build unix

package ask

import (
	"syscall"

	"github.com/charmbracelet/x/term"
)

// echoOff lets a terminal show nothing of what is typed. The rest of it stays: Ctrl-C
// still ends the program.
func echoOff(fd uintptr) error {
	state, err := term.GetState(fd)
	if err != nil {
		return err
	}
	state.Lflag &^= syscall.ECHO
	return term.SetState(fd, state)
}
