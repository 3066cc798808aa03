"""Records how `tokenizers` (Oniguruma) cuts texts at the matches of patterns, mostly ones whose parts
PCRE2 reads differently: patterns.jsonl, one {pattern, cuts: [[pieces of text 1], ...]} a line over the
texts of its first line; a null for a pattern that Oniguruma refuses. Run: python patterns.py"""
import json
import pathlib

from tokenizers import Regex, pre_tokenizers

PATTERNS = [
    r"\s", r"\S+", r"\w+", r"\W+", r"\d", r"\D+", r"\h+", r"\H+", r"\b", r"\B", r"^", r"$", r"\A.", r".\z", r".\Z",
    r".", r".+", r"(?m).+", r"(?m:.)+x", r"\R", r"\X", r"\v", r"\t", r"\x41", r"\x{1F680}", r"\u4e2d", r"\e|\a|\f",
    r"[\s]+", r"[^\s]+", r"[\S]", r"[\w]+", r"[^\w]+", r"[\W]+", r"[^\W]+", r"[\D]+", r"[^\D]+", r"[^\W\d]+",
    r"[\Wa]+", r"[^\Wa]+", r"[\W\D]+", r"[^\S\n]+", r"[\h]+", r"[\H]+", r"[\P{L}]+", r"[^\P{L}]+", r"[^\P{L}a-c]+",
    r"\p{L}+", r"\P{L}+", r"\p{^L}+", r"\P{^L}+", r"\p{Lu}\p{Ll}*", r"\p{M}+", r"\p{N}+", r"\p{Nd}+", r"\p{No}",
    r"\p{P}+", r"\p{S}+", r"\p{Z}+", r"\p{Letter}+", r"\p{lowercase_letter}+", r"\p{Alpha}+", r"\p{Alnum}+",
    r"\p{Upper}+", r"\p{Lower}+", r"\p{Punct}+", r"\p{Space}+", r"\p{Word}+", r"\p{Digit}+", r"\p{XDigit}+",
    r"\p{Han}+", r"\p{Hiragana}+|\p{Katakana}+", r"\p{Hangul}+", r"\p{Latin}+", r"\p{Cyrillic}+", r"\p{Arabic}+",
    r"[[:alpha:]]+", r"[[:punct:]]+", r"[[:^punct:]]+", r"[[:space:][:digit:]]+", r"[[:word:]]+", r"[[:alnum:]]+",
    r"[[:upper:]]+", r"[[:xdigit:]]+", r"[[:^alpha:]b]+", r"[a[bc]]+", r"[a[^b]]+", r"[^a[bc]]+", r"[^a[^b]]+",
    r"[]a]+", r"[^]a]+", r"[a\]\[]+", r"[a-c-]+", r"[-a]+", r"[\-a]+", r"[a\-c]+", r"[\x41-\x43]+", r"[\n\t ]+",
    r"a{2}", r"a{2,}", r"a{,2}", r"a{1,2}?", r"a{2}?b", r"a{2}+b", r"a{1,2}+b", r"(?:ab){1,2}+", r"[ab]{2}+c?",
    r"a{", r"a{,}", r"a{x}", r"a++b?", r"a?+a", r"a*+b", r"a+?b", r"a??b", r"a*?b", r"(a)(b)?", r"(?:a|b)+",
    r"(?<n>a)\k<n>", r"(a)\1", r"(?=b)", r"(?!b)", r"(?<=a)", r"(?<!a)b", r"(?>a+)b", r"(?#x)a",
    r"(?i)b+", r"(?i:B)b", r"a(?i)B|C", r"(a(?i)B|C)b", r"(?i-m:É)", r"(?i:'S|K)", r"(?x) a  b # c", r"(?ix)A b",
    r"a|", r"|a", r"", r"()", r"x*", r"\.|\!|\-|\ |\#|\~", r"\/", r"\_", r"é", r"[é-ü]+", r"[一-龥ぁ-ゟ]+",
    r"\s+(?!\S)|\s+", r"\s*[\r\n]+", r" ?[^\s\p{L}\p{N}]+", r"(?<=\d)(?=(?:\d{3})+(?!\d))", r"\G\d", r"\p{L}+\K\d",
    r"[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+", r"(?<![\p{L}\p{N}])'[a-z]", r"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*\p{Ll}+",
    r"(", r")", r"[", r"[a", r"*a", r"\p{Foo}", r"[b-a]", r"\\", r"\\\\", r"[\\]",
]
TEXTS = [
    "a", "ab abc aab  aaab\nABC aBBb cab bbcc", "a\n\nb\r\n c\td\x0be\x0cf\x85g\u2028h\u180ei\u00a0j\u3000k\u200bl", "aaaa{}x{x}a{,}",
    "123 4567 ٣٤ ²½Ⅷ① 1e5 0xFF deadBEEF g", "don't DON'T 's 'ſ 'S K \u212a ß ẞ É é e\u0301 ǅ ª",
    "x_y \u203f - -- [a] (b) \\ / # ~ ! . $+<=>^`|~ €£ “q” ¿ …", "中文字 東京ひらカナー 한글 привет مرحبا नमस्ते ไทย",
    "🚀 👩‍👩‍👧 🏽 🇩🇪 \u0301\u0301 \ufeff\u00ad\u0378\U00031350\U0001e030\U000e0fff\x07\x1b\x01", "line1\nline2\n", "\n", "]a]-b^[c",
]


def main():
    lines = [{"texts": TEXTS}]
    for pattern in PATTERNS:
        try:
            split = pre_tokenizers.Split(Regex(pattern), "isolated")
        except Exception:
            lines.append({"pattern": pattern, "cuts": None})
            continue
        cuts = [[len(piece) for piece, _ in split.pre_tokenize_str(text)] for text in TEXTS]
        lines.append({"pattern": pattern, "cuts": cuts})
    (pathlib.Path(__file__).parent / "patterns.jsonl").write_text(
        "".join(json.dumps(line, ensure_ascii=False, separators=(",", ":")) + "\n" for line in lines))


main()
