#include "services/capf/core/tftp_message.h"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "services/capf/core/tftp_transfer.h"
#include "services/common/bytes/byte_span.h"
#include "services/common/status/check.h"
#include "services/common/time/mono_time.h"

// A request and what follows it, never more than one packet for each.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using sallyport::MonoTime;
  using sallyport::capf::TftpTransfer;
  const sallyport::ByteSpan input(data, size);
  const size_t first = size < 512 ? size : 512;
  const auto parsed = sallyport::capf::ParseTftpRequest(input.first(first));
  if (!parsed.request) return 0;
  SP_CHECK(!parsed.request->file_name.empty());
  const auto content = std::make_shared<const std::string>(size * 3, 'x');
  TftpTransfer transfer(content, *parsed.request, {});
  MonoTime now;
  SP_CHECK(transfer.Begin(now).size() <= 1500);
  for (size_t at = 0; at + 4 <= size; at += 4) {
    const auto sent = transfer.OnPacket(input.subspan(at, 4), now);
    SP_CHECK(!sent || sent->size() <= 1500);
  }
  while (transfer.deadline() != MonoTime::InfiniteFuture()) {
    now = transfer.deadline();
    transfer.OnDeadline(now);
  }
  return 0;
}
