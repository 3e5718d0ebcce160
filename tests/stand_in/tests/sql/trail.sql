SELECT trail_id FROM kaizen.trail
