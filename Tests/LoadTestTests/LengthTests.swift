// Lengths of prompts and answers.

import LoadTest
import Platform
import Testing

@Suite("Length distributions")
struct LengthTests {
  @Test("what is parsed and what is refused")
  func parsing() {
    #expect(LengthDistribution("128") == .fixed(128))
    #expect(LengthDistribution("64-512") == .uniform(64...512))
    #expect(LengthDistribution("lognormal:100,0.5") == .logNormal(median: 100, sigma: 0.5))
    let wrong = [
      "", "0", "-1", "x", "1-", "-", "5-4", "1-2-3", "0-4", "99999999", "lognormal:", "lognormal:1",
      "lognormal:nan,1", "lognormal:10,nan", "lognormal:10,-1", "lognormal:0,1", "lognormal:inf,1",
      "lognormal:1,2,3", "9223372036854775808", "1-9223372036854775807",
    ]
    for text in wrong { #expect(LengthDistribution(text) == nil, "\(text)") }
  }

  @Test("draws have the shape that was asked for")
  func shape() {
    let seed = UInt64.random(in: 0...UInt64.max)
    var random = SplitMix(seed: seed)
    let uniform = (0..<20_000).map { _ in LengthDistribution.uniform(10...13).draw(&random) }
    for length in 10...13 {
      // Five standard deviations of a binomial of 20,000 draws with chance 1/4.
      #expect(abs(uniform.filter { $0 == length }.count - 5_000) < 310, "seed \(seed)")
    }
    let normal = LengthDistribution.logNormal(median: 200, sigma: 0.5)
    let lengths = (0..<20_000).map { _ in normal.draw(&random) }.sorted()
    #expect(abs(lengths[10_000] - 200) < 6, "seed \(seed)")
    // One standard deviation of the logarithm above the median lie 84.13 % of all.
    #expect(abs(Double(lengths[16_827]) - 200 * 1.6487) < 15, "seed \(seed)")
    let wide = LengthDistribution.logNormal(median: 1, sigma: 10)
    for _ in 0..<1_000 { #expect((1...LoadLimits.tokens).contains(wide.draw(&random))) }
  }

  @Test("a seed repeats its draws")
  func seeds() {
    var one = SplitMix(seed: 7, stream: 1)
    var same = SplitMix(seed: 7, stream: 1)
    var other = SplitMix(seed: 7, stream: 2)
    let draws = (0..<100).map { _ in one.next() }
    #expect(draws == (0..<100).map { _ in same.next() })
    #expect(draws != (0..<100).map { _ in other.next() })
  }
}
