/// A short conversation that a speech synthesiser reads.
struct SpokenScript: Sendable {
  enum Speaker: Sendable { case agent, customer }

  var id: String
  var title: String
  /// The length of the recording; the speech must fit into it.
  var milliseconds: Int
  var agentVoice: String
  var customerVoice: String
  var lines: [(speaker: Speaker, text: String)]

  static let all: [SpokenScript] = [
    SpokenScript(
      id: "spoken-billing", title: "Billing", milliseconds: 51_000, agentVoice: "en-us+f3", customerVoice: "en-gb+m3",
      lines: [
        (.agent, "Good morning, this is Dana from Northwind Energy. Am I speaking with Mister Harris?"),
        (.customer, "Yes, that's me. Is this about the bill I got last week?"),
        (.agent, "It is. You wrote to us that the amount looked too high. I have it in front of me now."),
        (.customer, "It says one hundred and eighty four dollars. I normally pay about ninety."),
        (.agent, "I see why. The meter reading in March was estimated, and the reading in April was a real one."),
        (.customer, "So I paid too little the month before?"),
        (.agent, "Exactly. I can spread the difference over three months, if you like, at no extra cost."),
        (.customer, "That would help a lot. Please do that."),
        (.agent, "Done. You will get a letter with the new amounts. Is there anything else?"),
        (.customer, "No, that's all. Thank you."),
        (.agent, "Thank you for your time. Goodbye."),
      ]),
    SpokenScript(
      id: "spoken-cancelled-order", title: "Orders", milliseconds: 44_000, agentVoice: "en-gb+m7",
      customerVoice: "en-us+f2",
      lines: [
        (.agent, "Hello, this is Owen from customer orders. I am calling about the order you cancelled yesterday."),
        (.customer, "Oh, yes. The standing lamp. I cancelled it because it would have come too late."),
        (.agent, "I understand. The cancellation went through, and the refund is on its way to your card."),
        (.customer, "How long will that take?"),
        (.agent, "Three to five working days. You will see forty nine dollars and ninety cents."),
        (.customer, "Good. And if I want the lamp after all?"),
        (.agent, "We have it in stock again since this morning. Shall I place a new order with express delivery?"),
        (.customer, "No, thank you, I found another one. But thanks for calling."),
        (.agent, "You are welcome. Have a nice day."),
      ]),
    SpokenScript(
      id: "spoken-appointment", title: "Appointments", milliseconds: 42_000, agentVoice: "en-us+f4",
      customerVoice: "en-us+m5",
      lines: [
        (.agent, "Hi, this is Lucy. I am calling to arrange the visit of our engineer. Is this a good time?"),
        (.customer, "Sure, go ahead."),
        (.agent, "I can offer you Tuesday between eight and ten, or Thursday afternoon."),
        (.customer, "Tuesday is difficult. What time on Thursday?"),
        (.agent, "Between two and four. The engineer calls you half an hour before he arrives."),
        (.customer, "Thursday at two is fine. Do I have to move the washing machine?"),
        (.agent, "No, he brings a colleague. Just make sure that the cellar is open."),
        (.customer, "All right. See you on Thursday then."),
        (.agent, "Perfect, it is booked. You get a message to confirm it. Goodbye."),
      ]),
    SpokenScript(
      id: "spoken-complaint", title: "Complaints", milliseconds: 53_000, agentVoice: "en-gb+f5",
      customerVoice: "en-gb+m4",
      lines: [
        (.agent, "Good afternoon, this is Chloe from customer care. You asked for a call back about your complaint."),
        (.customer, "Finally. I have been waiting for two weeks, and no one has told me anything."),
        (.agent, "I am sorry about that. Can you tell me what happened, in your own words?"),
        (.customer, "Your driver left the parcel in the rain. The books were ruined. I sent photographs."),
        (.agent, "I have the photographs here. You are right, that should not have happened."),
        (.customer, "So what are you going to do about it?"),
        (.agent, "I am sending you the same books again today, free of charge, and a voucher for twenty dollars."),
        (.customer, "Well. That is more than I expected. When will they arrive?"),
        (.agent, "Tomorrow before noon. I will call you in the afternoon to make sure that all is well."),
        (.customer, "Thank you. I appreciate that."),
        (.agent, "Thank you for your patience. Goodbye."),
      ]),
  ]
}
