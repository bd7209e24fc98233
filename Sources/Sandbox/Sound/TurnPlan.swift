/// Who speaks when in one call, found for any moment without looking at those before it.
struct TurnPlan: Sendable {
  private let seed: UInt64
  private let agent: Int
  private let customer: Int

  init(seed: UInt64) {
    self.seed = seed
    var dice = Dice(seed: seed)
    agent = dice.pick(VoiceBank.agents)
    customer = dice.pick(VoiceBank.customers)
  }

  /// What is heard in the two seconds of a slot: a voice with a phrase, or nobody.
  func slot(_ index: Int) -> (voice: Int, number: Int)? {
    // Five slots are an exchange: the agent speaks in the first one to four, the customer in the others.
    let exchange = Dice.mix(seed &+ UInt64(index / 5) &* 0x2545_F491_4F6C_DD1D)
    let agentSlots = 1 + Int(exchange % 4)
    let own = Dice.mix(seed ^ UInt64(index) &* 0x9E37_79B9_7F4A_7C15)
    if index > 0, own % 11 == 0 { return nil }
    return (index % 5 < agentSlots ? agent : customer, Int((own >> 32) % UInt64(VoiceBank.phrasesPerVoice)))
  }
}
