// terminal.h: whether a person is looking.
#pragma once

/// Whether standard output reaches a terminal. Under mpirun a rank's own standard output is a
/// pseudo-terminal of mpirun's, whatever the user redirected, so mpirun's is looked at: that of the
/// nearest ancestor of that name.
bool on_terminal();
