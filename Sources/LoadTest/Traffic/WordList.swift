// Words that prompts are made of: common, short, and of one token in nearly every vocabulary, so
// that a count of words is about a count of tokens.

enum WordList {
  static let words: [String] = text.split(whereSeparator: \.isWhitespace).map(String.init)

  private static let text = """
    the and was for that with his her they had are not but you all were when there can one our
    out day get has him how man new now old see two way who boy did its let put say she too use
    dad mom car cat dog bird fish tree sun moon star sea sky rain snow wind hill road house door
    room bed box ball book hat cup toy cake milk bread apple egg tea red blue green big small
    little good bad happy sad nice kind warm cold hot fast slow long short high low soft loud
    quiet dark light night morning today time year week home school park town farm garden forest
    river lake beach boat train bike game song story friend family mother father sister brother
    baby girl boys girls child children people king queen bear fox duck frog horse cow pig sheep
    mouse rabbit lion run ran walk jump play sing look saw find found make made take took give
    gave come came go went eat ate drink sleep wake help love like want need know think feel
    felt hear heard tell told ask said read write draw open close start stop wait try work talk
    laugh smile cry hug hold keep turn move sit stand fall fly swim climb hide share show bring
    call hope learn grow stay live lost very much more some many few first last next then after
    before again always never soon about over under into from up down here where what why
    because so just only even still back away together
    """
}
