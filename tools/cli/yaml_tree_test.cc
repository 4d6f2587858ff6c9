#include "tools/cli/yaml_tree.h"

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace sallyport::cli {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::Field;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

YamlText Read(const std::string& text) { return ReadYaml(text, YamlLimits()); }

auto Fault(int line, const char* what) {
  return AllOf(Field(&YamlFault::line, line),
               Field(&YamlFault::what, HasSubstr(what)));
}

TEST(YamlTreeTest, Documents) {
  const YamlText text =
      Read("a: 1\nb:\n- x\n- \"~\"\n- ~\n---\n---\n'null'\n...\n--- {c: {}}\n");
  EXPECT_THAT(text.faults, IsEmpty());
  ASSERT_THAT(text.documents, SizeIs(4));
  const YamlNode& first = *text.documents[0];
  ASSERT_TRUE(first.IsMap());
  EXPECT_EQ(first.size, 8u);
  EXPECT_EQ(first.Find("a")->scalar, "1");
  const YamlNode& list = *first.Find("b");
  ASSERT_THAT(list.items, SizeIs(3));
  EXPECT_EQ(list.items[0]->line, 3);
  EXPECT_TRUE(list.items[1]->IsScalar() && list.items[1]->quoted);
  EXPECT_TRUE(list.items[2]->IsNull());
  EXPECT_EQ(first.Find("c"), nullptr);
  EXPECT_TRUE(text.documents[1]->IsNull());
  EXPECT_TRUE(text.documents[2]->IsScalar());
  EXPECT_TRUE(text.documents[3]->Find("c")->IsMap());
}

TEST(YamlTreeTest, KeysGivenTwiceAreToldWithTheirLines) {
  EXPECT_THAT(Read("a: 1\nb: {c: 1, c: 2}\na: 3\n").faults,
              ElementsAre(Fault(2, "\"c\" is given twice"),
                          Fault(3, "\"a\" is given twice")));
  EXPECT_THAT(Read("? [1]\n: 2\n").faults,
              ElementsAre(Fault(1, "a key must be text")));
}

TEST(YamlTreeTest, AliasesCountForWhatTheyStandFor) {
  const YamlText text = Read("a: &x [1, 2]\nb: *x\n");
  EXPECT_THAT(text.faults, IsEmpty());
  EXPECT_EQ(text.documents[0]->Find("b")->items.size(), 2u);
  EXPECT_EQ(text.documents[0]->size, 9u);

  // The billion laughs: 10 to the ninth in a few lines.
  std::string bomb = "l0: &l0 [x,x,x,x,x,x,x,x,x,x]\n";
  for (int i = 1; i < 10; ++i) {
    absl::StrAppend(&bomb, "l", i, ": &l", i, " [");
    for (int j = 0; j < 10; ++j) {
      absl::StrAppend(&bomb, j == 0 ? "" : ",", "*l", i - 1);
    }
    absl::StrAppend(&bomb, "]\n");
  }
  EXPECT_THAT(Read(bomb).faults,
              ElementsAre(Fault(7, "more than 2000000 values")));
  EXPECT_THAT(Read(bomb).documents, IsEmpty());
  EXPECT_THAT(Read("&a [*a]\n").faults,
              ElementsAre(Fault(1, "what it is in itself")));
  EXPECT_THAT(Read("[*nobody]\n").faults, SizeIs(1));
  // Anchors are those of their document.
  EXPECT_THAT(Read("a: &x 1\n---\nb: *x\n").faults, SizeIs(1));
}

TEST(YamlTreeTest, DeepAndLargeTexts) {
  EXPECT_THAT(Read(std::string(32, '[') + std::string(32, ']')).faults,
              IsEmpty());
  EXPECT_THAT(Read(std::string(33, '[') + std::string(33, ']')).faults,
              ElementsAre(Fault(1, "deeper than 32")));
  EXPECT_THAT(Read(std::string((8 << 20) + 1, 'a')).faults,
              ElementsAre(Fault(0, "larger than 8388608 octets")));
  YamlLimits limits;
  limits.values = 10;
  EXPECT_THAT(ReadYaml("[1,2,3]\n---\n[1,2,3,4,5,6]\n", limits).faults,
              ElementsAre(Fault(3, "more than 10 values")));
}

TEST(YamlTreeTest, WhatIsNoYaml) {
  EXPECT_THAT(Read("a: 1\nb: [\n").faults, SizeIs(1));
  EXPECT_THAT(Read("a: 1\n b: 2\n").faults, ElementsAre(Fault(2, "")));
  EXPECT_THAT(Read("a: 1\nb: Ren\xE9\n").faults,
              ElementsAre(Fault(2, "not UTF-8")));
  EXPECT_THAT(ReadYaml(std::string("a: b\nname: \0_", 13), {}).faults,
              ElementsAre(Fault(2, "control character")));
  EXPECT_THAT(ReadYaml("a: b\nname: \"\\0_\"\n", {}).faults,
              ElementsAre(Fault(2, "NUL character")));
  EXPECT_THAT(Read("").documents, IsEmpty());
  EXPECT_THAT(Read(", a\n").faults, ElementsAre(Fault(1, "out of place")));
  for (const char* text : {"]", "}", "a ]", ", a", "[a] ]", "- a\n, b"}) {
    EXPECT_THAT(Read(text).documents.size() + Read(text).faults.size(),
                testing::Gt(0u))
        << text;
  }
}

// Each would take minutes or all memory if its cost were not that of its
// length.
TEST(YamlTreeTest, HostileTextsEndSoon) {
  const size_t size = 1 << 17;
  std::vector<std::string> texts = {
      std::string(size, '['), std::string(size, '{'), std::string(size, '-'),
      std::string(size, '&'), std::string(size, '*'), std::string(size, '\n'),
      std::string(size, '"'), std::string(size, '!'), std::string(size, ':')};
  for (const char* piece : {"- ", "? ", "a: ", "[{", "&a ", "- - a\n", "a: b\n",
                            "---\n", "#\n", "\"\\\n", "[a, ", "|\n ", "!!a "}) {
    std::string text;
    while (text.size() < size) text += piece;
    texts.push_back(std::move(text));
  }
  for (const std::string& text : texts) {
    const absl::Time start = absl::Now();
    Read(text);
    EXPECT_LT(absl::Now() - start, absl::Seconds(5)) << text.substr(0, 8);
  }
}

}  // namespace
}  // namespace sallyport::cli
