// Encodes 16-bit samples at 8 kHz from standard input as G.729, with bcg729.
#include <bcg729/encoder.h>
#include <stdio.h>

int main(void) {
  bcg729EncoderChannelContextStruct *encoder = initBcg729EncoderChannel(0);
  int16_t samples[80];
  while (fread(samples, sizeof samples, 1, stdin) == 1) {
    uint8_t frame[10], length = 0;
    bcg729Encoder(encoder, samples, frame, &length);
    if (fwrite(frame, 1, length, stdout) != length) return 1;
  }
  closeBcg729EncoderChannel(encoder);
  return 0;
}
