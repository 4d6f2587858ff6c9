#include "tools/cli/tar_writer.h"

#include <cstdint>
#include <cstring>

#include "absl/strings/str_format.h"
#include "services/common/status/check.h"

namespace sallyport::cli {
namespace {

constexpr size_t kBlock = 512;
constexpr size_t kName = 100;

void Set(std::string& header, size_t offset, const std::string& text) {
  header.replace(offset, text.size(), text);
}

}  // namespace

void TarWriter::Add(const std::string& name, const std::string& content,
                    absl::Time time) {
  SP_CHECK(name.size() <= kName);
  std::string header(kBlock, '\0');
  Set(header, 0, name);
  Set(header, 100, "0000600");
  Set(header, 108, "0000000");
  Set(header, 116, "0000000");
  Set(header, 124, absl::StrFormat("%011o", uint64_t{content.size()}));
  Set(header, 136, absl::StrFormat("%011o", absl::ToUnixSeconds(time)));
  Set(header, 148, "        ");  // the sum is made with blanks here
  Set(header, 156, "0");
  Set(header, 257, std::string("ustar\00000", 8));
  uint32_t sum = 0;
  for (const char c : header) sum += static_cast<uint8_t>(c);
  Set(header, 148, absl::StrFormat("%06o", sum) + std::string("\0 ", 2));
  octets_ += header;
  octets_ += content;
  octets_.append((kBlock - content.size() % kBlock) % kBlock, '\0');
}

std::string TarWriter::Finish() const {
  return octets_ + std::string(2 * kBlock, '\0');
}

}  // namespace sallyport::cli
