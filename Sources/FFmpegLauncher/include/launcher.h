// The target has no functions for Swift: it is preloaded into FFmpeg, not linked into Tapedeck.

#pragma once

/// Set this variable to make FFmpeg serve requests on its standard input; without it the library does nothing.
#define LAUNCHER_VARIABLE "TAPEDECK_FFMPEG_LAUNCHER"
