/// What goes with the rows of one device: weights, experts and how many of them each row has.
///
///     weights float32 [n] | experts uint16 [n] | entries uint8 [rows]
///
/// Seven bytes for a row of one expert, 4 + 2 for each further one; a row of H = 2,048 float32 has 8,192.
enum RowMetadata {
  /// Bytes of a section.
  static func byteCount(rows: Int, entries: Int) -> Int { entries * 6 + rows }

  /// Writes the section of a device.
  static func write(
    _ plan: DispatchPlan, device: Int, weights: UnsafePointer<Float>, into section: UnsafeMutableRawBufferPointer
  ) {
    let slots = plan.slotRange(of: device)
    let rows = plan.rowOffsets[device]..<plan.rowOffsets[device + 1]
    for (place, slot) in slots.enumerated() {
      section.storeBytes(of: weights[Int(plan.slots[slot])], toByteOffset: place * 4, as: Float.self)
      section.storeBytes(of: plan.localExperts[slot], toByteOffset: slots.count * 4 + place * 2, as: UInt16.self)
    }
    for (place, row) in rows.enumerated() {
      let entries = UInt8(plan.slotOffsets[row + 1] - plan.slotOffsets[row])
      section.storeBytes(of: entries, toByteOffset: slots.count * 6 + place, as: UInt8.self)
    }
  }
}
