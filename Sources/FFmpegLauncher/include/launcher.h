// The target has no functions for Swift: it is preloaded into FFmpeg, not linked into Tapedeck.

#pragma once

/// Set by whoever wants FFmpeg to serve requests on its standard input; without it the library does nothing.
#define LAUNCHER_VARIABLE "TAPEDECK_FFMPEG_LAUNCHER"
