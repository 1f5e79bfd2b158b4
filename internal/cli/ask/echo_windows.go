package ask

import "github.com/charmbracelet/x/term"

// enableEchoInput is the console's ENABLE_ECHO_INPUT.
const enableEchoInput = 0x4

// echoOff lets a console show nothing of what is typed. The rest of it stays: Ctrl-C
// still ends the program.
func echoOff(fd uintptr) error {
	state, err := term.GetState(fd)
	if err != nil {
		return err
	}
	state.Mode &^= enableEchoInput
	return term.SetState(fd, state)
}
