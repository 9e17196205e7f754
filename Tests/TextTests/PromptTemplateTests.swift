import Foundation
import Testing

@testable import Text

@Suite struct PromptTemplateTests {
  struct Golden: Decodable {
    struct Chat: Decodable {
      let template: String
      let system: String?
      let texts: [String]
      let whole: String
      let prompt: String
    }
    let bos: String
    let eos: String
    let chats: [Chat]
  }

  /// Prompts and responses put together are what transformers renders, but for a line break after the last end.
  @Test func equalsTransformers() throws {
    let golden = try JSONDecoder().decode(Golden.self, from: Fixtures.data("chat-golden.json"))
    #expect(Set(golden.chats.map(\.template)).count == 6 && golden.chats.count == 54)
    for chat in golden.chats {
      let template = try #require(PromptTemplate(rawValue: chat.template))
      var messages = chat.texts.enumerated().map { (index, text) in
        Conversation.Message(role: index.isMultiple(of: 2) ? .user : .assistant, text: text)
      }
      if let system = chat.system { messages.insert(.init(role: .system, text: system), at: 0) }
      let turns = try Conversation.turns(messages, template: template, lossOn: .response)
      var (whole, prompt) = ("", "")
      for (number, turn) in turns.enumerated() {
        let begins = template.beginning == .turn || (template.beginning == .text && number == 0)
        prompt = whole + (begins ? golden.bos : "") + turn.prompt
        whole = prompt + turn.response + (template.end ?? golden.eos)
      }
      #expect(prompt.unicodeScalars.elementsEqual(chat.prompt.unicodeScalars), "\(chat.template): \(prompt)")
      let isWhole = [whole, whole + "\n"].contains { $0.unicodeScalars.elementsEqual(chat.whole.unicodeScalars) }
      #expect(isWhole, "\(chat.template): \(whole)")
    }
  }

  @Test func instructionsInChats() {
    #expect(
      PromptTemplate.chatml.prompt(instruction: "Add.", input: "1 2")
        == "<|im_start|>user\nAdd.\n1 2<|im_end|>\n<|im_start|>assistant\n")
    #expect(PromptTemplate.deepseek.prompt(instruction: "Add.") == "User: Add.\n\nAssistant:")
  }
}
