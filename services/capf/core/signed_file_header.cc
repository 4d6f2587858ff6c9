#include "services/capf/core/signed_file_header.h"

#include <array>
#include <bitset>

#include "absl/strings/str_cat.h"
#include "services/capf/core/tlv_element.h"
#include "services/common/status/error_reason.h"
#include "services/common/status/status_macros.h"

namespace sallyport::capf {
namespace {

enum HeaderTag : uint8_t {
  kVersion = 1,
  kHeaderLength = 2,
  kSignerId = 3,
  kSignerName = 4,
  kSignerSerial = 5,
  kSignerIssuer = 6,
  kSignatureInfo = 7,
  kDigest = 8,
  kAlgorithmInfo = 9,
  kAlgorithm = 10,
  kModulus = 11,
  kSignature = 12,
  kPadding = 13,
  kFileName = 14,
  kTimestamp = 15,
  kSignerVersion = 28,
};

constexpr size_t kMaxPadding = 3;
constexpr size_t kAlignment = 4;
constexpr size_t kElementHead = 3;
constexpr uint8_t kRsaPkcs1 = 0;
// What element 11 means, by its value.
constexpr std::array<size_t, 4> kModulusSizes = {64, 128, 256, 512};

std::optional<uint8_t> ModulusCode(size_t size) {
  for (uint8_t code = 0; code < kModulusSizes.size(); ++code) {
    if (kModulusSizes[code] == size) return code;
  }
  return std::nullopt;
}

// The container that an element belongs in; 0: in none.
uint8_t ContainerOf(uint8_t tag) {
  switch (tag) {
    case kSignerName:
    case kSignerSerial:
    case kSignerIssuer:
      return kSignerId;
    case kDigest:
    case kAlgorithmInfo:
      return kSignatureInfo;
    case kAlgorithm:
    case kModulus:
      return kAlgorithmInfo;
    default:
      return 0;
  }
}

class HeaderReader {
 public:
  explicit HeaderReader(ByteSpan file) : file_(file), reader_(file) {}

  absl::StatusOr<ParsedSignedFileHeader> Read() {
    SP_RETURN_IF_ERROR(ReadStart());
    while (!reader_.empty()) {
      if (*reader_.PeekU8() == kPadding) {
        SP_RETURN_IF_ERROR(ReadPadding());
        break;
      }
      SP_RETURN_IF_ERROR(ReadElement(reader_, 0));
    }
    SP_RETURN_IF_ERROR(CheckComplete());
    return std::move(out_);
  }

 private:
  // Version and length come first; the length bounds everything after.
  absl::Status ReadStart() {
    const std::optional<TlvElement> version = ReadTlvElement(reader_);
    if (!version || version->tag != kVersion || version->value.size() != 2) {
      return TlvFault("HEADER_MALFORMED", "no version element", 0);
    }
    out_.header.version = {version->value[0], version->value[1]};
    const std::optional<TlvElement> length = ReadTlvElement(reader_);
    if (!length || length->tag != kHeaderLength || length->value.size() != 2) {
      return TlvFault("HEADER_MALFORMED", "no header length", 5);
    }
    const size_t size = length->value[0] << 8 | length->value[1];
    if (size < reader_.offset() || size > file_.size()) {
      return TlvFault("HEADER_MALFORMED", "the header ends outside the file",
                      length->offset);
    }
    out_.layout.header_size = size;
    reader_ = Within(reader_.offset(), size);
    seen_.set(kVersion);
    seen_.set(kHeaderLength);
    return absl::OkStatus();
  }

  // Padding has no length, and nothing comes after it.
  absl::Status ReadPadding() {
    const size_t offset = reader_.offset();
    if (reader_.remaining() > kMaxPadding) {
      return TlvFault("HEADER_MALFORMED", "padding before the end", offset);
    }
    for (const uint8_t octet : reader_.ReadRest()) {
      if (octet != kPadding) {
        return TlvFault("HEADER_MALFORMED", "an element after padding", offset);
      }
    }
    return absl::OkStatus();
  }

  // Octets [begin, end) of the file, with offsets that count from its start.
  ByteReader Within(size_t begin, size_t end) const {
    ByteReader reader(file_.first(end));
    reader.Skip(begin);
    return reader;
  }

  absl::Status ReadElement(ByteReader& reader, uint8_t container) {
    const size_t offset = reader.offset();
    const std::optional<TlvElement> element = ReadTlvElement(reader);
    if (!element) {
      return TlvFault("LENGTH_MISMATCH", "an element runs past its container",
                      offset);
    }
    if (seen_.test(element->tag)) {
      return TlvFault("ELEMENT_DUPLICATE",
                      absl::StrCat("element ", element->tag, " again"), offset);
    }
    seen_.set(element->tag);
    if (ContainerOf(element->tag) != container) {
      return TlvFault(
          "LENGTH_MISMATCH",
          absl::StrCat("element ", element->tag, " in container ", container),
          offset);
    }
    return Take(*element);
  }

  absl::Status TakeContainer(const TlvElement& element) {
    const size_t begin = element.offset + kElementHead;
    ByteReader inside = Within(begin, begin + element.value.size());
    while (!inside.empty()) {
      SP_RETURN_IF_ERROR(ReadElement(inside, element.tag));
    }
    return absl::OkStatus();
  }

  absl::Status Take(const TlvElement& element) {
    SignedFileHeader& header = out_.header;
    const ByteSpan value = element.value;
    switch (element.tag) {
      case kSignerId:
      case kSignatureInfo:
      case kAlgorithmInfo:
        return TakeContainer(element);
      case kSignerName:
        return TakeText(element, header.signer_name);
      case kSignerIssuer:
        return TakeText(element, header.signer_issuer);
      case kFileName:
        return TakeText(element, header.file_name);
      case kSignerSerial:
        if (value.empty()) return Invalid(element);
        header.signer_serial = ToString(value);
        return absl::OkStatus();
      case kDigest:
        if (value.size() != 1 || value[0] < 1 || value[0] > 3) {
          return Invalid(element);
        }
        header.digest = static_cast<SignedFileDigest>(value[0]);
        return absl::OkStatus();
      case kAlgorithm:
        return value.size() == 1 && value[0] == kRsaPkcs1 ? absl::OkStatus()
                                                          : Invalid(element);
      case kModulus:
        if (value.size() != 1 || value[0] >= kModulusSizes.size()) {
          return Invalid(element);
        }
        header.modulus_size = kModulusSizes[value[0]];
        return absl::OkStatus();
      case kSignature:
        header.signature = ToString(value);
        out_.layout.signature_begin = element.offset;
        out_.layout.signature_end =
            element.offset + kElementHead + value.size();
        return absl::OkStatus();
      case kTimestamp:
        if (value.size() != 4) return Invalid(element);
        header.timestamp = *ByteReader(value).ReadU32();
        return absl::OkStatus();
      case kSignerVersion:
        if (value.size() != 2) return Invalid(element);
        header.signer_version = FormatVersion{value[0], value[1]};
        return absl::OkStatus();
      default:  // of encrypted files, or of a time to come
        return absl::OkStatus();
    }
  }

  absl::Status TakeText(const TlvElement& element, std::string& out) {
    const std::optional<std::string_view> text = ReadTlvText(element.value);
    if (!text) return Invalid(element);
    out = std::string(*text);
    return absl::OkStatus();
  }

  static absl::Status Invalid(const TlvElement& element) {
    return TlvFault("ELEMENT_INVALID",
                    absl::StrCat("element ", element.tag, " is malformed"),
                    element.offset);
  }

  absl::Status CheckComplete() const {
    for (const uint8_t tag :
         {kSignerId, kSignerName, kSignerSerial, kSignerIssuer, kSignatureInfo,
          kDigest, kAlgorithmInfo, kAlgorithm, kModulus, kSignature, kFileName,
          kTimestamp}) {
      if (!seen_.test(tag)) {
        return TlvFault("ELEMENT_MISSING", absl::StrCat("no element ", tag),
                        out_.layout.header_size);
      }
    }
    if (out_.header.signature.size() != out_.header.modulus_size) {
      return TlvFault("LENGTH_MISMATCH",
                      "the signature is not of the modulus' size",
                      out_.layout.signature_begin);
    }
    return absl::OkStatus();
  }

  ByteSpan file_;
  ByteReader reader_;
  std::bitset<256> seen_;
  ParsedSignedFileHeader out_;
};

bool IsText(std::string_view text) {
  return text.find('\0') == std::string_view::npos;
}

}  // namespace

std::string_view SignedFileDigestName(SignedFileDigest digest) {
  switch (digest) {
    case SignedFileDigest::kSha1:
      return "SHA-1";
    case SignedFileDigest::kSha256:
      return "SHA-256";
    case SignedFileDigest::kSha512:
      return "SHA-512";
  }
  return "";
}

absl::StatusOr<ParsedSignedFileHeader> ParseSignedFileHeader(ByteSpan file) {
  return HeaderReader(file).Read();
}

absl::StatusOr<std::string> WriteSignedFileHeader(
    const SignedFileHeader& header) {
  const auto invalid = [](std::string_view what) {
    return MakeError(absl::StatusCode::kInvalidArgument, "HEADER_INVALID",
                     what);
  };
  const std::optional<uint8_t> modulus = ModulusCode(header.modulus_size);
  if (!modulus) return invalid("no code for a modulus of that size");
  if (!header.signature.empty() &&
      header.signature.size() != header.modulus_size) {
    return invalid("the signature is not of the modulus' size");
  }
  if (!IsText(header.signer_name) || !IsText(header.signer_issuer) ||
      !IsText(header.file_name) || header.signer_serial.empty()) {
    return invalid("a text holds a NUL, or there is no serial number");
  }

  ByteBuilder signer;
  WriteTlvText(kSignerName, header.signer_name, signer);
  WriteTlvElement(kSignerSerial, AsBytes(header.signer_serial), signer);
  WriteTlvText(kSignerIssuer, header.signer_issuer, signer);
  ByteBuilder algorithm;
  WriteTlvU8(kAlgorithm, kRsaPkcs1, algorithm);
  WriteTlvU8(kModulus, *modulus, algorithm);
  ByteBuilder signature_info;
  WriteTlvU8(kDigest, static_cast<uint8_t>(header.digest), signature_info);
  WriteTlvElement(kAlgorithmInfo, algorithm.written(), signature_info);

  ByteBuilder out;
  const auto version = [&out](uint8_t tag, const FormatVersion& value) {
    const std::array<uint8_t, 2> octets = {value.major, value.minor};
    WriteTlvElement(tag, octets, out);
  };
  version(kVersion, header.version);
  const size_t length_at = out.size() + kElementHead;
  WriteTlvU16(kHeaderLength, 0, out);
  if (header.signer_version) version(kSignerVersion, *header.signer_version);
  WriteTlvElement(kSignerId, signer.written(), out);
  WriteTlvElement(kSignatureInfo, signature_info.written(), out);
  size_t signature = kElementHead + header.modulus_size;
  if (!header.signature.empty()) {
    WriteTlvElement(kSignature, AsBytes(header.signature), out);
    signature = 0;
  }
  WriteTlvText(kFileName, header.file_name, out);
  out.WriteU8(kTimestamp);
  out.WriteU16(sizeof(header.timestamp));
  out.WriteU32(header.timestamp);
  while ((out.size() + signature) % kAlignment != 0) out.WriteU8(kPadding);
  const size_t size = out.size() + signature;
  if (size > 0xffff) return invalid("the header is too long");
  out.PatchU16(length_at, static_cast<uint16_t>(size));
  return out.Take();
}

}  // namespace sallyport::capf
