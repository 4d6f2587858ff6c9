#include "tools/cli/ctl_text.h"

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "services/common/bytes/byte_span.h"
#include "services/common/bytes/hex.h"
#include "services/common/crypto/digest.h"
#include "services/common/net/socket_address.h"
#include "tools/cli/table.h"

namespace sallyport::cli {
namespace {

using capf::TrustListRecord;
using capf::TrustListRole;

std::string AddressText(const TrustListRecord& record) {
  const auto address = SocketAddress::FromBytes(AsBytes(record.ip_address), 0);
  return address ? address->IpText() : "";
}

std::string Thumbprint(const TrustListRecord& record) {
  return record.certificate.empty()
             ? "(none)"
             : HexEncode(Sha1(AsBytes(record.certificate)));
}

}  // namespace

std::string ChecksumText(const std::string& file) {
  return absl::StrCat("md5   ", HexEncode(Md5(AsBytes(file))), "\nsha1  ",
                      HexEncode(Sha1(AsBytes(file))), "\n");
}

std::string ListText(const capf::ParsedTrustList& parsed,
                     const std::string& file) {
  const capf::SignedFileHeader& header = parsed.list.header;
  const bool mixed =
      parsed.list.cluster_mode() == capf::ClusterSecurityMode::kMixed;
  // An ITL has none: it names no call manager without its certificate.
  const std::string mode =
      absl::StartsWith(header.file_name, "ITL")
          ? ""
          : absl::StrCat("mode  ", mixed ? "mixed" : "non-secure", "\n");
  std::string out = absl::StrCat(
      "file  ", Printable(header.file_name), ", ", file.size(), " octets, ",
      absl::FormatTime(absl::RFC3339_sec,
                       absl::FromUnixSeconds(header.timestamp),
                       absl::UTCTimeZone()),
      "\n", ChecksumText(file), mode, "signed by ",
      Printable(header.signer_name), ", serial ",
      HexEncode(AsBytes(header.signer_serial)), ", RSA-",
      header.modulus_size * 8, " with ",
      std::string(capf::SignedFileDigestName(header.digest)), "\n\n");
  Table table({"ROLE", "DNS NAME", "ADDRESS", "SUBJECT", "SERIAL", "SHA-1"});
  for (const TrustListRecord& record : parsed.list.records) {
    table.AddRow({capf::TrustListRoleName(record.role),
                  record.dns_name.value_or(""), AddressText(record),
                  record.subject, HexEncode(AsBytes(record.serial)),
                  Thumbprint(record)});
  }
  return out + table.ToString();
}

const TrustListRecord* FindCallManager(const capf::TrustList& list,
                                       const std::string& server) {
  for (const TrustListRecord& record : list.records) {
    if (record.role != TrustListRole::kCcm &&
        record.role != TrustListRole::kCcmTftp) {
      continue;
    }
    if (absl::EqualsIgnoreCase(record.dns_name.value_or(""), server) ||
        AddressText(record) == server) {
      return &record;
    }
  }
  return nullptr;
}

}  // namespace sallyport::cli
