// terminal.h: finds out whether the output goes to a terminal.
#pragma once

/// True if standard output reaches a terminal. Under mpirun, a rank's own standard output is a
/// pseudo-terminal of mpirun, even if the user redirected mpirun's output. So the output of the
/// nearest ancestor with the name mpirun is checked.
bool on_terminal();
