#include "services/common/files/memory_file.h"

#include <atomic>
#include <string>
#include <thread>

#include "gtest/gtest.h"
#include "services/common/files/durable_file.h"

namespace sallyport {
namespace {

TEST(MemoryFileTest, ReadByItsPath) {
  MemoryFile file;
  ASSERT_TRUE(file.Replace("one").ok());
  const std::string path = file.path();
  EXPECT_EQ(ReadWholeFile(path, 100).value_or(""), "one");
  EXPECT_EQ(ReadWholeFile(path, 100).value_or(""), "one");
  ASSERT_TRUE(file.Replace("").ok());
  EXPECT_EQ(ReadWholeFile(path, 100).value_or("?"), "");
  EXPECT_EQ(file.path(), path);
  MemoryFile other;
  ASSERT_TRUE(other.Replace("other").ok());
  EXPECT_EQ(ReadWholeFile(path, 100).value_or("?"), "");
}

// A key and the certificate of another key would fail handshakes.
TEST(MemoryFileTest, NobodyReadsHalfOfEach) {
  MemoryFile file;
  const std::string contents[] = {std::string(100000, 'a'),
                                  std::string(50000, 'b')};
  ASSERT_TRUE(file.Replace(contents[0]).ok());
  std::atomic<bool> stop = false;
  std::atomic<int> reads = 0;
  std::thread reader([&] {
    while (!stop) {
      const auto read = ReadWholeFile(file.path(), 1 << 20);
      ASSERT_TRUE(read.ok()) << read.status();
      EXPECT_TRUE(*read == contents[0] || *read == contents[1]);
      ++reads;
    }
  });
  for (int i = 0; i < 500 || reads < 50; ++i) {
    ASSERT_TRUE(file.Replace(contents[i % 2]).ok());
  }
  stop = true;
  reader.join();
}

}  // namespace
}  // namespace sallyport
