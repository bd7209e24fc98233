/// IMA ADPCM with one channel, as in WAV files: blocks that can be decoded without those before them.
enum IMAADPCM {
  private static let steps: [Int] = [
    7, 8, 9, 10, 11, 12, 13, 14, 16, 17, 19, 21, 23, 25, 28, 31, 34, 37, 41, 45, 50, 55, 60, 66, 73, 80, 88, 97, 107,
    118, 130, 143, 157, 173, 190, 209, 230, 253, 279, 307, 337, 371, 408, 449, 494, 544, 598, 658, 724, 796, 876, 963,
    1060, 1166, 1282, 1411, 1552, 1707, 1878, 2066, 2272, 2499, 2749, 3024, 3327, 3660, 4026, 4428, 4871, 5358, 5894,
    6484, 7132, 7845, 8630, 9493, 10442, 11487, 12635, 13899, 15289, 16818, 18500, 20350, 22385, 24623, 27086, 29794,
    32767,
  ]
  private static let indexChanges = [-1, -1, -1, -1, 2, 4, 6, 8]

  /// As many complete blocks as the samples fill.
  static func encode(_ samples: [Int16], blockBytes: Int) -> [UInt8] {
    let framesPerBlock = (blockBytes - 4) * 2 + 1
    var bytes: [UInt8] = []
    var index = 0
    for start in stride(from: 0, through: samples.count - framesPerBlock, by: framesPerBlock) {
      var predicted = Int(samples[start])
      bytes.append(littleEndian: samples[start])
      bytes += [UInt8(index), 0]
      for at in stride(from: start + 1, to: start + framesPerBlock, by: 2) {
        let low = encode(Int(samples[at]), &predicted, &index)
        let high = encode(Int(samples[at + 1]), &predicted, &index)
        bytes.append(low | high << 4)
      }
    }
    return bytes
  }

  private static func encode(_ sample: Int, _ predicted: inout Int, _ index: inout Int) -> UInt8 {
    let step = steps[index]
    let difference = sample - predicted
    let magnitude = min(7, abs(difference) * 4 / step)
    let change = ((2 * magnitude + 1) * step) / 8
    predicted = max(-32_768, min(32_767, difference < 0 ? predicted - change : predicted + change))
    index = max(0, min(steps.count - 1, index + indexChanges[magnitude]))
    return UInt8(difference < 0 ? magnitude | 8 : magnitude)
  }
}
