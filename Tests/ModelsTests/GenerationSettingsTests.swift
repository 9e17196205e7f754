import Testing

@testable import Models

/// `generation_config.json`: read, named, or told.
@Suite struct GenerationSettingsTests {
  private func read(_ json: String) throws -> GenerationSettings {
    try GenerationSettings(json: json, file: "generation_config.json", vocabulary: 100)
  }

  @Test func whatIsUsed() throws {
    let settings = try read(
      """
      {"bos_token_id": 1, "do_sample": true, "eos_token_id": [2, 7], "max_new_tokens": 12, "pad_token_id": 0,
       "repetition_penalty": 1.05, "stop_strings": ["END", ""], "temperature": 0.7, "top_k": 20, "top_p": 0.8,
       "transformers_version": "5.24.0", "use_cache": true}
      """)
    var expected = GenerationSettings()
    expected.endTokens = [2, 7]
    expected.stopStrings = ["END"]
    (expected.samples, expected.temperature, expected.topK, expected.topP) = (true, 0.7, 20, 0.8)
    (expected.repetitionPenalty, expected.maxNewTokens) = (1.05, 12)
    #expect(settings == expected)
    #expect(try read(#"{"eos_token_id": 5}"#).endTokens == [5])
    #expect(try read(#"{"eos_token_id": null, "top_k": -1}"#).endTokens == [])
  }

  /// What says off is off; what is on and not computed is named with its value; what nobody knows is told.
  @Test func whatIsNotComputed() throws {
    for (key, refused) in GenerationSettings.notComputed {
      #expect(try read("{\"\(key)\": null}") == GenerationSettings(), "\(key)")
      if let off = refused.off { #expect(try read("{\"\(key)\": \(off.kind)}") == GenerationSettings(), "\(key)") }
      #expect(try read("{\"\(key)\": 3}").ignored == ["\(key) 3"])
    }
    for key in GenerationSettings.withoutEffect {
      #expect(try read("{\"\(key)\": 3}") == GenerationSettings(), "\(key)")
    }
    let settings = try read(#"{"min_p": 0.05, "no_repeat_ngram_size": 3, "zeta": 1, "Temperature": 2, "off": null}"#)
    #expect(settings.ignored == ["min_p 0.05", "no_repeat_ngram_size 3"])
    #expect(settings.unknownKeys == ["Temperature", "zeta"])
    #expect(
      settings.taskLine == "generation_config.json: generated answers: not computed: min_p 0.05, no_repeat_ngram_size 3"
    )
  }

  @Test(
    arguments: [
      (#"{"eos_token_id": 100}"#, "eos_token_id: expected an integer in 0...99 or a list of them, found 100"),
      (
        #"{"eos_token_id": [1, "2"]}"#,
        "eos_token_id: expected an integer in 0...99 or a list of them, found a list of 2"
      ),
      (#"{"do_sample": "yes"}"#, "do_sample: expected true or false, found 'yes'"),
      (#"{"temperature": -1}"#, "temperature: expected a number of at least 0, found -1"),
      (#"{"top_p": 0}"#, "top_p: expected a number above 0.0 and at most 1e+30, found 0"),
      (#"{"max_new_tokens": 0}"#, "max_new_tokens: expected an integer in 1...1000000000, found 0"),
      (#"{"stop_strings": [1]}"#, "stop_strings: expected a string or a list of them, found a list of 1"),
    ])
  func errorsAreThisText(json: String, message: String) throws {
    let error = #expect(throws: ConfigurationError.self) { try read(json) }
    #expect(error?.description == "generation_config.json: " + message)
  }
}
